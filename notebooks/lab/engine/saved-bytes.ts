/**
 * @file What the forward pass of a Llama saves for the backward pass, by formula: numbers per token, added up along the
 * way. The meter counts the same.
 *
 * An array is saved for the gradient of another: x for that of a matrix that trains, both factors of a product where both
 * have a gradient. Frozen weights save no x; that is why LoRA-FA, which never trains A, keeps r numbers and not d + r.
 */
import type { LlamaConfig } from "lowrank/nn";
import { trainedRank } from "./counts.ts";
import { LENGTH, ROWS } from "./domain.ts";
import { places } from "./places.ts";
import type { Controls } from "./types.ts";

/** Bytes that a step's forward pass leaves for its backward pass. */
export function savedBytes(config: LlamaConfig, controls: Controls): number {
  const { method, place } = controls;
  const { hidden_size: d, intermediate_size: ff, num_attention_heads: heads, head_dim } = config;
  const kv = config.num_key_value_heads * head_dim;
  const q = heads * head_dim;
  const isAll = method === "full";
  const trains = (name: string): boolean => isAll || (places[place] as readonly string[]).includes(name);
  const r = trainedRank(controls);
  /** Whether a matrix that trains needs its input x: for A, or for W itself. */
  const needsInput = method !== "lora-fa" && method !== "bitfit";
  let constants = 0;

  /**
   * What one matrix [out, into] that trains saves per token beside x: A x, and for DoRA's g also V' x. `hasGradient`:
   * whether x has one, for which a product with A is saved that is no parameter.
   */
  const beside = (name: string, out: number, into: number, hasGradient: boolean): number => {
    if (isAll || method === "bitfit" || !trains(name)) return 0;
    if (method === "dora") constants += 3 * out; //                            ‖V'‖, m/‖V'‖, g
    if (method === "adalora") constants += r + 2 * (r * r + 1); //             s λ; Pᵀ P − I and Q Qᵀ − I, their norms
    if (method === "adalora" && hasGradient) constants += r * into; //         s Λ Q
    if (method === "vera") constants += r * out + (hasGradient ? r * into : 0); // Λ_b B, Λ_d A
    return method === "dora" ? r + out : r;
  };
  const input = (names: readonly string[], width: number): number =>
    needsInput && names.some(trains) ? width : 0;

  let perToken = 0;
  let isOn = isAll; // whether the stream has a gradient: from the first matrix that trains on
  for (let block = 0; block < config.num_hidden_layers; block++) {
    const [Q, K, V] = ["q_proj", "k_proj", "v_proj"].map((name) => isOn || trains(name));
    if (isOn) perToken += d + 1; //                                          x̂ of the first norm, and 1/rms
    perToken += input(["q_proj", "k_proj", "v_proj"], d);
    perToken += beside("q_proj", q, d, isOn) + beside("k_proj", kv, d, isOn) + beside("v_proj", kv, d, isOn);
    if (K) perToken += q; //                                                 Q, for the gradient of K
    if (Q) perToken += kv; //                                                K, for that of Q
    if (Q || K)
      perToken += heads * LENGTH + kv; //                          the softmax, and V for its gradient
    else if (V) perToken += heads * LENGTH; //                               the softmax, for that of V
    if (Q || K) constants += LENGTH * head_dim; //                       the rotation's angles
    isOn ||= Q || K || V;
    perToken += input(["o_proj"], q) + beside("o_proj", d, q, isOn);
    isOn ||= trains("o_proj");
    if (isOn) perToken += d + 1; //                                          the second norm
    perToken += input(["gate_proj", "up_proj"], d);
    perToken += beside("gate_proj", ff, d, isOn) + beside("up_proj", ff, d, isOn);
    const [gate, up] = ["gate_proj", "up_proj"].map((name) => isOn || trains(name));
    if (gate) perToken += 2 * ff; //                                         the gate before SiLU, and up x
    if (up) perToken += ff; //                                               SiLU of the gate
    isOn ||= gate || up;
    perToken += input(["down_proj"], ff) + beside("down_proj", d, ff, isOn);
    isOn ||= trains("down_proj");
  }
  perToken += d + 1 + config.vocab_size; //                                  the last norm, the softmax of the logits
  if (isAll) perToken += d; //                                               what the head multiplies, for its gradient
  return 4 * (ROWS * LENGTH * perToken + constants);
}
