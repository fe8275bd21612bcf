/**
 * @file The tiny language models with adapters that PEFT wrote: outputs, gradients, merged weights, greedy text, training
 * runs. Tensors go by the names that they have in PEFT's files. What is read must be written back byte for byte.
 */

import { noGrad } from "lowrank/autograd";
import { parseSafetensors } from "lowrank/core";
import { type AdaptedModel, type AdapterFiles, readAdapter, writeAdapter } from "lowrank/lora";
import { clipGradientNorm, type GPT2, type Llama } from "lowrank/nn";
import type { LoadedCase } from "../cases.ts";
import { indicesOf, type Methods, type Outputs } from "./method.ts";
import { greedy, modelOf } from "./models.ts";
import { makeOptimizer } from "./optim.ts";
import { Steps } from "./steps.ts";

export const modelAdapters: Methods = {
  "model-gpt2-adapter": adapterOutputs,
  "model-gpt2-adalora-adapter": adapterOutputs,
  "model-gpt2-training": training,
  "model-llama-adapter": adapterOutputs,
  "model-llama-training": training,
};

type Adapted = AdaptedModel<GPT2 | Llama>;

function adapterOutputs(c: LoadedCase): Outputs {
  const adapted = adaptedModel(c);
  const ids = indicesOf(c, "input_ids");
  const logits = adapted.forward(ids);
  const trained = c.inputs.has("labels") ? lossAndGradients(c, adaptedModel(c)) : {};
  return noGrad(() => {
    const acting = greedy(c, adapted.model);
    adapted.merge();
    const merged = greedy(c, adapted.model);
    if (JSON.stringify(merged) !== JSON.stringify(acting))
      throw new Error("greedy_ids: merging changed the text");
    const weights = Array.from(adapted.toPlain().namedParameters(), ([name, weight]) => [
      `merged.${name}`,
      weight,
    ]);
    return {
      logits,
      ...trained,
      logits_merged: adapted.forward(ids),
      ...merged,
      ...Object.fromEntries(weights),
    };
  });
}

/** The case's model with the case's adapter, after checking that it is written as it was read. */
function adaptedModel(c: LoadedCase): Adapted {
  const files: AdapterFiles = {
    config: new TextDecoder().decode(c.file(c.params.string("adapter_config"))),
    weights: c.file(c.params.string("adapter_weights")),
  };
  const adapted = readAdapter<GPT2 | Llama>(modelOf(c), files).eval();
  const { config, weights } = writeAdapter(adapted);
  if (config !== files.config) throw new Error("adapter_config.json: expected the text that was read");
  if (weights.length !== files.weights.length || !weights.every((byte, i) => byte === files.weights[i]))
    throw new Error("adapter_model.safetensors: expected the bytes that were read");
  return adapted;
}

function lossAndGradients(c: LoadedCase, adapted: Adapted): Outputs {
  const loss = adapted.model.loss(indicesOf(c, "input_ids"), indicesOf(c, "labels"));
  loss.backward();
  return { loss, ...tensorsOf(gradientsInPlace(adapted), "grad") };
}

/** The model with each trained parameter's gradient in its place, so that what is written are the gradients. */
function gradientsInPlace(adapted: Adapted): Adapted {
  for (const parameter of adapted.parameters()) {
    if (parameter.requiresGrad) parameter.assign(parameter.grad ?? new Float32Array(parameter.size));
  }
  return adapted;
}

/** The adapter's tensors under the names of its file, behind a prefix. */
function tensorsOf(adapted: Adapted, prefix: string): Outputs {
  const { tensors } = parseSafetensors(writeAdapter(adapted).weights);
  const entries = Array.from(tensors, ([key, tensor]) => [
    `${prefix}.${key}`,
    { shape: tensor.shape, data: tensor.floats() },
  ]);
  return Object.fromEntries(entries);
}

function training(c: LoadedCase): Outputs {
  const adapted = adaptedModel(c); // dropout is off in all cases, also in training
  const parameters = adapted.parameters().filter(({ requiresGrad }) => requiresGrad);
  const settings = c.params.object("optimizer");
  const optimizer = makeOptimizer(settings.string("name"), parameters, settings);
  const { data, shape } = indicesOf(c, "input_ids"); // [steps, batch, time]
  const size = shape[1] * shape[2];
  const steps = new Steps();
  for (let step = 0; step < c.params.number("steps"); step++) {
    const ids = { data: data.subarray(step * size, (step + 1) * size), shape: shape.slice(1) };
    const loss = adapted.model.loss(ids);
    loss.backward();
    steps.add("loss", loss.value);
    steps.add("grad_norm", clipGradientNorm(parameters, c.params.number("max_grad_norm")));
    optimizer.step();
    optimizer.zeroGrad();
  }
  return { ...steps.outputs(), ...tensorsOf(adapted, "final") };
}
