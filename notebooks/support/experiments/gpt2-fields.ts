/** @file The configuration of a small GPT-2 with the vocabulary of the notebooks' characters, for models of any width. */
import type { ConfigFields } from "lowrank/nn";
import { VOCABULARY } from "../data/domain.ts";

export interface Size {
  /** Width. */
  readonly d: number;
  readonly layers: number;
  readonly heads: number;
  /** Tokens of context. */
  readonly time: number;
}

export function gpt2Fields({ d, layers, heads, time }: Size): ConfigFields<"gpt2"> {
  return {
    model_type: "gpt2",
    vocab_size: VOCABULARY,
    n_positions: time,
    n_embd: d,
    n_layer: layers,
    n_head: heads,
    embd_pdrop: 0,
    attn_pdrop: 0,
    resid_pdrop: 0,
  };
}
