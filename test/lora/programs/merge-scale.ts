/**
 * @file Makes a synthetic Llama checkpoint and a LoRA adapter on all of its linear layers, or merges the two, in a process of
 * its own whose peak memory is printed.
 *
 *     tsx test/lora/programs/merge-scale.ts make FOLDER LAYERS DTYPE
 *     tsx test/lora/programs/merge-scale.ts merge FOLDER            {"megabytes": 287, "seconds": 20.1, "lost": 0.08}
 */

import { draftFolder, planSafetensors, random, removeFile, tensorBytes } from "lowrank/core";
import { inject, mergeCheckpoint, saveAdapter } from "lowrank/lora";
import { layout, modelConfig, openPretrained, withoutInit } from "lowrank/nn";

const [what, folder, layers, dtype] = process.argv.slice(2);
const base = `${folder}/base`;
const adapter = `${folder}/adapter`;

function make(): void {
  const fields = {
    ...{
      model_type: "llama",
      architectures: ["LlamaForCausalLM"],
      vocab_size: 32000,
      tie_word_embeddings: false,
    },
    ...{ hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: Number(layers) },
    ...{ num_attention_heads: 32, num_key_value_heads: 4, max_position_embeddings: 2048 },
  } as const;
  const parameters = layout(modelConfig(fields)).flatMap((module) => module.parameters);
  const own = parameters.filter(({ tiedTo }) => tiedTo === undefined);
  const plan = planSafetensors(
    own.map(({ name, shape }) => [name, { dtype: dtype as "BF16", shape }] as const),
  );
  const draft = draftFolder(base);
  const weights = draft.create("model.safetensors", plan.size);
  weights.write(plan.header, 0);
  const noise = tensorBytes(dtype as "BF16", [2 ** 20], random(1).normal(2 ** 20, 0, 0.02)).bytes;
  for (let at = plan.header.length; at < plan.size; at += noise.length)
    weights.write(noise.subarray(0, Math.min(noise.length, plan.size - at)), at);
  const text = new TextEncoder().encode(JSON.stringify(fields));
  draft.create("config.json", text.length).write(text, 0);
  draft.commit();

  const { model } = openPretrained(base);
  const adapted = withoutInit(() => inject(model, { rank: 8, alpha: 16, target: "all-linear" } as never));
  for (const part of adapted.adapter("default").values())
    for (const parameter of part.parameters())
      parameter.assign(random(parameter.size).normal(parameter.size, 0, 0.01));
  saveAdapter(adapted, adapter);
}

function merge(): void {
  const began = performance.now();
  const { total, bytes } = mergeCheckpoint({ base, adapters: [{ folder: adapter }], out: `${folder}/out` });
  const seconds = (performance.now() - began) / 1000;
  removeFile(`${folder}/out`);
  const megabytes = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ megabytes, seconds, lost: total.lost, bytes }));
}

if (what === "make") make();
else merge();
