/** @file What the laws of the LoRA family are tried on, and which methods a law is true of. */

import type { Law as AnyLaw } from "../../core/index.ts";
import type { Method } from "../methods.ts";
import type { MethodDefinition } from "../model/method.ts";

/** The layer, the adapter and the numbers that a law is tried on. */
export interface Trial {
  /** The name of a method of this library, or a value of `defineMethod`. */
  readonly method: Method | MethodDefinition;
  readonly site: "linear" | "conv1d" | "embedding" | "conv2d";
  readonly out: number;
  /** Inputs of a linear layer, rows of a table, channels of an image. */
  readonly in: number;
  readonly rank: number;
  readonly alpha: number;
  /** Rows of the batch. */
  readonly batch: number;
  /**
   * "real": uniform on ±1. "dyadic": the quarters from −1 to 1; with α/r a power of two, every product and sum of a small
   * layer is a float32 then, and nothing is ever rounded.
   */
  readonly values: "real" | "dyadic";
  readonly seed: number;
}

/** A law of the LoRA family. */
export interface Law extends AnyLaw<Trial> {
  /** The methods of which it is true. */
  readonly methods: readonly Method[];
  /** The kind of numbers that it is true of; of both kinds if left out. */
  readonly values?: Trial["values"];
  /** What it is about and a method of your own may lack: the option alpha, or a count formula. */
  readonly needs?: "alpha" | "count";
  /** @throws AdapterError on a trial that the law does not apply to (see `concerns`), and on a malformed trial */
  check: AnyLaw<Trial>["check"];
}
