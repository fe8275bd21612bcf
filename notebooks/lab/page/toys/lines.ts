/** @file The lines of the library that the pictures to turn by hand show, in addition to those of the page. */
import type { Excerpt } from "../lines.ts";

export const toyLines = {
  /** √(Σ_{i>r} σ_i² / Σ σ_i²), what rank r must leave */
  eckartYoung: {
    file: "lora/algebra/spectrum.ts",
    mark: ["return whole === 0 ? 0 : Math.sqrt(energyOf(S.subarray(rank)) / whole);"],
    before: 3,
    after: 1,
  },
  /** A number is rounded to the nearest of the sixteen values */
  nearest: {
    file: "quant/codes/nearest.ts",
    mark: ["while (s > midpoints[rank]) rank++;"],
    before: 2,
    after: 2,
  },
  /** c2 − mean(c2) in 8 bits */
  doubleQuant: {
    file: "quant/double-quantization.ts",
    mark: ["const differences = c2.map((value) => value - offset);"],
    before: 4,
    after: 2,
  },
  /** Bytes of the codes and of the blocks' constants */
  quantizedBytes: {
    file: "quant/model/memory.ts",
    mark: [
      "const absmax = doubleQuant ? blocks + 4 * Math.ceil(blocks / ABSMAX_BLOCK_SIZE) + 4 : 4 * blocks;",
    ],
    before: 3,
    after: 5,
  },
  /** S_i of a triplet */
  score: {
    file: "lora/adalora/importance.ts",
    mark: ["return ofLambda(i) + left / out + right / into;"],
    before: 4,
    after: 2,
  },
} as const satisfies Record<string, Excerpt>;

export type ToyLineKey = keyof typeof toyLines;
