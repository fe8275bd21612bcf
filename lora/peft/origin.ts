/** @file What an adapter was read from, kept so that an adapter that has not changed is written back byte for byte. */

import type { AdapterConfig } from "../methods.ts";
import type { PeftConfig } from "./config/parse.ts";
import type { Echo } from "./tensors/content.ts";
import type { Masks } from "./tensors/masks.ts";

/** The files of an adapter that was read. */
export interface Origin {
  /** The text of adapter_config.json. */
  readonly text: string;
  readonly config: PeftConfig;
  /** Keys of parameters of the base that the file repeats, such as the table of an adapted embedding. */
  readonly repeated: readonly string[];
  /** Names of modules whose weights are in the file although modules_to_save does not name them. */
  readonly embeddings: readonly string[];
  readonly echoes: readonly Echo[];
  /** Of AdaLoRA: which triplets added something to ΔW when it was read. */
  readonly alive: Masks;
  /** Of tables of which the file holds rows only: the key and the rows, by the names of the parameters. */
  readonly rows: ReadonlyMap<string, { readonly key: string; readonly rows: readonly number[] }>;
}

const origins = new WeakMap<AdapterConfig, Origin>();

/** The files from which the adapter of this configuration was read; undefined when it was made here. */
export const originOf = (config: AdapterConfig): Origin | undefined => origins.get(config);

export function setOrigin(config: AdapterConfig, origin: Origin): void {
  origins.set(config, origin);
}
