/**
 * @file PEFT's trainable_token_indices: rows of tables of embeddings that an adapter brings. The file has these rows only;
 * here they become a copy of the whole table, with them in place of the base's.
 *
 *     "trainable_token_indices": [3, 5]                      of the table of tokens, and of the head where it is tied to it
 *     "trainable_token_indices": { "embed_tokens": [3, 5] }  of the modules whose names end so
 */

import type { Parameter } from "../../../autograd/index.ts";
import { CheckpointError } from "../../../core/index.ts";
import { listModules, type Module, type NamedModule, tokenModules } from "../../../nn/index.ts";
import { type Place, placesIn } from "../../model/saved-parameters.ts";
import type { Floats } from "./file.ts";
import { PREFIX } from "./keys.ts";

/** Numbers of tokens: of the table of tokens, or by the ends of modules' names. */
export type TokenIndices = readonly number[] | Readonly<Record<string, readonly number[]>>;

/** A parameter of which an adapter brings rows. */
export interface TokenRows {
  readonly place: Place;
  readonly key: string;
  readonly rows: readonly number[];
}

/**
 * The tables of which the adapter brings rows, and what is tied to them.
 * @param isTaken whether the adapter has something else on a module
 * @throws CheckpointError when a name is no table of the model, or a number no row of it
 */
export function tokenRows(
  source: string,
  model: Module,
  indices: TokenIndices | null,
  isTaken: (module: string) => boolean,
): TokenRows[] {
  if (indices === null) return [];
  const modules = [...listModules(model)];
  const field = `${source}: adapter_config.json: trainable_token_indices`;
  const chosen = isList(indices)
    ? [[tokenModules(model)?.table ?? "embed_tokens", indices] as const]
    : Object.entries(indices);
  const all = modules.flatMap((module) => [...placesIn(module)].map((place) => ({ module, place })));
  return chosen.flatMap(([end, rows]) => {
    const tables = modules.filter(
      ({ name, kind }) => name.endsWith(end) && /embedding|head/.test(kind ?? ""),
    );
    if (tables.length === 0)
      throw new CheckpointError(
        `${field}: expected the end of the name of a table of embeddings; got ${end}`,
      );
    return tables.flatMap((table) => ofTable(field, table, rows, all, isTaken));
  });
}

function ofTable(
  field: string,
  table: NamedModule,
  rows: readonly number[],
  all: readonly { readonly module: NamedModule; readonly place: Place }[],
  isTaken: (module: string) => boolean,
): TokenRows[] {
  const weight = [...placesIn(table)].find((place) => place.field === "weight");
  const [count = 0] = weight?.original.shape ?? [];
  const beyond = rows.find((row) => row >= count);
  if (beyond !== undefined)
    throw new CheckpointError(`${field}: ${table.name} has ${count} rows; got the number ${beyond}`);
  const tied = all.filter(({ place }) => place.original === weight?.original);
  const taken = tied.find(({ module }) => isTaken(module.name));
  if (taken)
    throw new CheckpointError(
      `${field}: ${taken.module.name} is among target_modules or modules_to_save, too; expected one of them`,
    );
  const key = `${PREFIX}${table.name}.token_adapter.trainable_tokens_delta`;
  return tied.map(({ place }) => ({ place, key, rows }));
}

const isList = (indices: TokenIndices): indices is readonly number[] => Array.isArray(indices);

/** The base's table with `values` in its rows. */
export function tableWith(original: Parameter, rows: readonly number[], values: Floats): Floats {
  const width = original.shape[1];
  const table = Float64Array.from(original.value.data);
  for (const [i, row] of rows.entries()) table.set(values.subarray(i * width, (i + 1) * width), row * width);
  return original.value.data instanceof Float64Array ? table : Float32Array.from(table);
}

/** The rows of a table. */
export function rowsOf(table: Floats, rows: readonly number[], width: number): number[] {
  return rows.flatMap((row) => [...table.subarray(row * width, (row + 1) * width)]);
}
