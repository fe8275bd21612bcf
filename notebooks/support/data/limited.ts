/** @file A domain limited to few training rows, for studies of the amount of data. */
import type { Indices, Random } from "lowrank/core";
import type { Domain } from "./domain.ts";

/** `domain` with only `rows` training rows, drawn once with `random`; batches sample from them. Validation is unchanged. */
export function limited(
  domain: Domain,
  { rows, random }: { readonly rows: number; readonly random: Random },
): Domain {
  const { ids, labels } = domain.batch(rows, random);
  return {
    ...domain,
    name: `${domain.name}, ${rows} rows`,
    hash: `${domain.hash}: ${ids.data.join()}`,
    batch(count, source) {
      const chosen = Array.from({ length: count }, () => source.integer(rows));
      return { ids: pick(ids, chosen), labels: pick(labels, chosen) };
    },
  };
}

/** Rows of a matrix of indices. */
function pick({ data, shape: [, width] }: Indices, rows: readonly number[]): Indices {
  const chosen = new Int32Array(rows.length * width);
  rows.forEach((row, i) => {
    chosen.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return { data: chosen, shape: [rows.length, width] };
}
