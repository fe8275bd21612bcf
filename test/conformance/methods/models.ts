/** @file The tiny language models against transformers: logits, loss, gradients, greedy text. */

import { array, parseSafetensors } from "lowrank/core";
import { type ConfigFields, GPT2, generate, type LanguageModel, Llama } from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import { indicesOf, type Methods, type Outputs } from "./method.ts";

export const models: Methods = {
  "model-gpt2": plainModel,
  "model-llama": plainModel,
};

/** The case's model, from its own config.json and model.safetensors. */
export function modelOf(c: LoadedCase): GPT2 | Llama {
  const config = JSON.parse(new TextDecoder().decode(c.file(c.params.string("config"))));
  const model =
    c.params.oneOf("kind", ["gpt2", "llama"]) === "gpt2"
      ? new GPT2(config as ConfigFields<"gpt2">)
      : new Llama(config as ConfigFields<"llama">);
  const { tensors } = parseSafetensors(c.file(c.params.string("weights")), c.params.string("weights"));
  model.loadStateDict(
    new Map(Array.from(tensors, ([name, stored]) => [name, array(stored.floats(), stored.shape)])),
  );
  return model.eval();
}

function plainModel(c: LoadedCase): Outputs {
  const model = modelOf(c);
  const logits = model.forward(indicesOf(c, "input_ids"));
  const loss = model.loss(indicesOf(c, "input_ids"), indicesOf(c, "labels"));
  loss.backward();
  const gradients = Array.from(model.namedParameters(), ([name, { grad }]) => [`grad.${name}`, grad]);
  return { logits, loss, ...greedy(c, model), ...Object.fromEntries(gradients) };
}

/** The prompt, if the case has one, and the most probable tokens after it. */
export function greedy(c: LoadedCase, model: LanguageModel): Outputs {
  if (!c.inputs.has("prompt_ids")) return {};
  const maxNewTokens = c.params.number("new_tokens");
  return { greedy_ids: generate(model, indicesOf(c, "prompt_ids"), { maxNewTokens }) };
}
