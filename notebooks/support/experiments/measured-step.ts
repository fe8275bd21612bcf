/** @file The memory of a training step, for methods on a GPT-2 of any width: its weights need not have learned anything. */
import { random } from "lowrank/core";
import { GPT2, type Module } from "lowrank/nn";
import { type Batch, type Domain, VOCABULARY } from "../data/domain.ts";
import { gpt2Fields } from "./gpt2-fields.ts";
import { adamW, trainingMemory } from "./harness.ts";

export interface Measured {
  /** Width of the model. */
  readonly d: number;
  readonly layers: number;
  /** Tokens of a row. */
  readonly time: number;
  /** Rows of a batch. */
  readonly rows: number;
}

/** Peak bytes of two training steps of the method that `prepare` makes of a GPT-2 with random weights, by category. */
export function stepMemory(prepare: (model: GPT2) => Module, size: Measured) {
  const { d, layers, time } = size;
  const fresh = (): GPT2 => new GPT2(gpt2Fields({ d, layers, heads: 4, time }), { rng: random(1) });
  return trainingMemory(
    fresh,
    (model) => {
      const module = prepare(model);
      return { module, adapted: null, optimizer: adamW(module, 1e-3) };
    },
    { domain: noise(time), rows: size.rows },
  );
}

/** Random ids, for steps of which only the bytes and the times count. */
export function noise(time: number): Domain {
  const batch = (rows: number, rng: ReturnType<typeof random>): Batch => {
    const ids = {
      data: Int32Array.from({ length: rows * (time + 1) }, () => rng.integer(VOCABULARY)),
      shape: [rows, time + 1],
    };
    return { ids, labels: ids };
  };
  return { name: "noise", hash: "noise", batch, validation: [] };
}
