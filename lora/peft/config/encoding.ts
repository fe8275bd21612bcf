/**
 * @file Choosing fields for adapter_config.json. PEFT's fields describe an adapter by patterns, ends of names and numbers
 * of blocks, so that many configurations describe the same one. Of several encodings the first is written that reads back
 * as this adapter, in this order:
 *
 *     as the file said it from which the adapter was read, so that an unchanged adapter gives an unchanged file
 *     as `inject` was told: rank 8, target ["c_attn"]
 *     layer by layer
 */

import { AdapterError } from "../../../core/index.ts";
import type { Fields } from "./fields.ts";

/** Fields that say something, and what they say. */
export type Encoding<Meaning> = Meaning & { readonly fields: Fields };

/** The first encoding that reads back as the adapter. */
export function firstRoundTripping<Meaning>(
  encodings: readonly (Encoding<Meaning> | undefined)[],
  readsBack: (encoding: Meaning) => boolean,
  what: string,
): Encoding<Meaning> {
  const found = encodings.find((encoding) => encoding !== undefined && readsBack(encoding));
  if (found) return found;
  throw new AdapterError(`saveAdapter: PEFT's format cannot say ${what}`);
}
