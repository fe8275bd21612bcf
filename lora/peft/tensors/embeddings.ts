/**
 * @file Embedding tables and heads that an adapter's file holds in full although modules_to_save does not name them. PEFT
 * writes them with `save_embedding_layers`, which it sets itself when tokens were added. PEFT loads them into the base,
 * whose number of tokens the user must have changed before. Here the base is resized, and the adapter gets frozen copies,
 * which replace the base's weights while it acts.
 */

import { CheckpointError } from "../../../core/index.ts";
import {
  type Module,
  type NamedModule,
  type PretrainedModel,
  resizeTokenEmbeddings,
  tokenModules,
} from "../../../nn/index.ts";
import { AdaptedModel } from "../../model/adapted-model.ts";
import { type Place, placesIn } from "../../model/saved-parameters.ts";
import type { FileTensors } from "./file.ts";
import { baseKey, PREFIX } from "./keys.ts";

/** The embeddings, and heads without a bias, whose weights are in the file. */
export function savedEmbeddings(
  all: readonly NamedModule[],
  file: FileTensors,
): { readonly place: Place; readonly key: string }[] {
  return all
    .filter(({ kind }) => kind === "embedding" || kind === "head")
    .flatMap((module) => {
      const places = [...placesIn(module)];
      const key = `${PREFIX}${module.name}.weight`;
      return places.length === 1 && file.has(key) ? [{ place: places[0], key }] : [];
    });
}

/**
 * Resizes the base to as many tokens as the file's tables have rows; the new rows are the file's. The base stays as it is
 * when it has that many already, or when the file has no table.
 * @returns a function that restores the base
 * @throws CheckpointError when tables differ in their number of rows, one of them is not in the file, or the model is
 *   adapted already
 */
export function fitVocabulary(model: Module | AdaptedModel, file: FileTensors, source: string): () => void {
  const nothing = (): void => {};
  const base = model instanceof AdaptedModel ? model.model : model;
  const paths = tokenModules(base);
  if (!paths) return nothing;
  const found = [paths.table, paths.head].flatMap((path) => {
    if (path === null) return [];
    const tensor = file.byKey.get(`${PREFIX}${path}.weight`) ?? file.byKey.get(baseKey(path, "weight"));
    return tensor?.shape.length === 2 ? [{ path, tensor, rows: tensor.shape[0] }] : [];
  });
  const tokens = (base as PretrainedModel).config.vocab_size;
  const other = found.find(({ rows }) => rows !== tokens);
  if (!other) return nothing;
  if (new Set(found.map(({ rows }) => rows)).size > 1)
    throw new CheckpointError(
      `${source}: ${found.map(({ path, rows }) => `${path} has ${rows} rows`).join(", ")}; expected one number of tokens`,
    );
  if (model instanceof AdaptedModel)
    throw new CheckpointError(
      `${source}: it has ${other.rows} tokens where this model has ${tokens}; load it on the plain model first, which is resized then`,
    );
  const undo = resizeTokenEmbeddings(base as PretrainedModel, other.rows);
  for (const { path, tensor } of found) {
    const [place] = placesIn({ name: path, module: base.getModule(path) });
    const values = tensor.floats();
    const old = place.original.value.data.subarray(0, Math.min(tokens, other.rows) * place.original.shape[1]);
    if (values.length === place.original.size) {
      values.set(old);
      place.original.assign(values);
    }
  }
  const resized = new Set(
    found.map(({ path }) => placesIn({ name: path, module: base.getModule(path) }).next().value?.original),
  );
  for (const path of [paths.table, paths.head]) {
    if (path === null) continue;
    const [place] = placesIn({ name: path, module: base.getModule(path) });
    if (resized.has(place.original)) continue;
    undo();
    throw new CheckpointError(
      `${source}: it has ${other.rows} tokens where this model has ${tokens}, but no ${path}.weight`,
    );
  }
  return undo;
}
