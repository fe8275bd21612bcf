/** @file Changes the size of a model's vocabulary: the table of embeddings, and the head if it has its own matrix. */

import type { Parameter } from "../../autograd/index.ts";
import { ArgumentError, type NDArray, zeros } from "../../core/index.ts";
import { Embedding } from "../layers/embedding.ts";
import { Linear, parameterLike } from "../layers/linear.ts";
import type { Module } from "../module/module.ts";
import { checkModule } from "../module/options.ts";
import { Bert, BertModel } from "./bert.ts";
import { GPT2 } from "./gpt2.ts";
import { Llama } from "./llama.ts";
import type { PretrainedModel } from "./pretrained.ts";

/** The paths of a model's table of token embeddings and of its language-modelling head, if it has one. */
export function tokenModules(model: Module): { readonly table: string; readonly head: string | null } | null {
  if (model instanceof GPT2) return { table: "transformer.wte", head: "lm_head" };
  if (model instanceof Llama) return { table: "model.embed_tokens", head: "lm_head" };
  if (model instanceof BertModel) return { table: "embeddings.word_embeddings", head: null };
  if (model instanceof Bert)
    return { table: `${model.config.model_type}.embeddings.word_embeddings`, head: null };
  return null;
}

/**
 * Changes the model's vocabulary to `tokens` tokens. Surplus rows are removed. New rows are the mean of the old ones;
 * transformers' resize_token_embeddings by default draws them from a normal distribution around that mean
 * (mean_resizing). The model gets new parameters: make optimizers afterwards.
 * @returns a function that undoes the change
 * @throws ArgumentError unless `tokens` is a positive integer, and for layers that are adapted or quantized; nothing is
 *   changed then
 */
export function resizeTokenEmbeddings(model: PretrainedModel, tokens: number): () => void {
  checkModule("resizeTokenEmbeddings", model);
  const paths = tokenModules(model);
  if (!Number.isSafeInteger(tokens) || tokens < 1)
    throw new ArgumentError("resizeTokenEmbeddings", "tokens a positive integer", { tokens });
  if (!paths)
    throw new ArgumentError("resizeTokenEmbeddings", "GPT-2, Llama or BERT", {
      model: model.constructor.name,
    });
  const names = [paths.table, paths.head].filter((path) => path !== null);
  const layers = names.map((path) => model.getModule(path) as Embedding | Linear);
  const odd = layers.findIndex((layer) => !(layer instanceof Embedding || layer instanceof Linear));
  if (odd >= 0)
    throw new ArgumentError("resizeTokenEmbeddings", "layers as they were loaded", { layer: names[odd] });

  const before = new Map<Module, object>();
  const change = (module: Module, fields: object): void => {
    if (!before.has(module)) before.set(module, { ...module });
    Object.assign(module, fields);
  };
  const resized = new Map<Parameter, Parameter>(); // tied parameters stay tied
  for (const layer of layers) {
    const { weight } = layer;
    const other = resized.get(weight) ?? parameterLike(weight, withRows(weight, tokens));
    resized.set(weight, other);
    change(layer, {
      weight: other,
      ...(layer instanceof Embedding ? { numEmbeddings: tokens } : { outFeatures: tokens }),
    });
  }
  const { config } = model;
  const changed = { ...config, vocab_size: tokens };
  for (const [, module] of model.namedModules()) {
    if ((module as { config?: unknown }).config === config) change(module, { config: changed });
  }
  return () => {
    for (const [module, fields] of before) Object.assign(module, fields);
  };
}

/** A matrix of `rows` rows: the first rows of `weight`, and after its last row the mean of all its rows. */
function withRows(weight: Parameter, rows: number): NDArray {
  const [before, width] = weight.shape;
  const result = zeros([rows, width]);
  const values = result.storage.write();
  const old = weight.value.data;
  values.set(old.subarray(0, Math.min(rows, before) * width));
  for (let column = 0; column < width && rows > before; column++) {
    let sum = 0;
    for (let row = 0; row < before; row++) sum += old[row * width + column];
    for (let row = before; row < rows; row++) values[row * width + column] = sum / before;
  }
  return result;
}
