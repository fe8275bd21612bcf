/** @file The base: a Llama and its tokenizer, made of files in memory. */
import { array, parseJsonObject, parseSafetensors, random } from "lowrank/core";
import { cloneModule, Llama, type PretrainedTokenizer, parseTokenizer, withoutInit } from "lowrank/nn";
import type { BaseFiles } from "./types.ts";

export interface Base {
  readonly model: Llama;
  readonly tokenizer: PretrainedTokenizer;
}

/** @throws CheckpointError when a file is damaged, or the files do not belong together */
export function loadBase(files: BaseFiles): Base {
  const fields = parseJsonObject("config.json", new TextEncoder().encode(files.config));
  const { tensors } = parseSafetensors(files.weights, "model.safetensors");
  const model = withoutInit(() => new Llama({ ...fields, model_type: "llama" }, { rng: random(0) }));
  model.loadStateDict(
    new Map(Array.from(tensors, ([name, tensor]) => [name, array(tensor.floats(), tensor.shape)])),
  );
  const tokenizer = parseTokenizer({
    "tokenizer.json": files.tokenizer,
    "tokenizer_config.json": files.tokenizerConfig,
  });
  return { model: model.eval().requiresGrad_(false), tokenizer };
}

/** A copy of the base's model in memory of its own, frozen. */
export const copyOf = ({ model }: Base): Llama => cloneModule(model).requiresGrad_(false);
