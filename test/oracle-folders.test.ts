/**
 * @file The tiny GPT-2 and Llama of the oracles as a user loads them: their folders by loadPretrained, their adapters' folders
 * by loadAdapter. Logits, loss, greedy text and merged logits are those that transformers and PEFT computed.
 */

import { readdirSync, readFileSync } from "node:fs";
import { noGrad, type Tensor } from "lowrank/autograd";
import { loadSafetensors, type SafeTensor, setDevice } from "lowrank/core";
import { type AdaptedModel, loadAdapter } from "lowrank/lora";
import { type GPT2, generate, type Llama, loadPretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("oracles' folders");
const root = "test/oracles";

interface Stated {
  readonly method: string;
  readonly params: { readonly adapter?: string; readonly new_tokens?: number };
  readonly tensors: Readonly<
    Record<
      string,
      { readonly role: string; readonly tolerance?: { readonly rtol?: number; readonly atol?: number } }
    >
  >;
}

test.before(() => {
  setDevice("cpu");
});

for (const folder of ["gpt2-tiny", "llama-tiny"]) {
  const names = readdirSync(`${root}/${folder}`)
    .filter((name) => name.startsWith(folder) && name.endsWith(".json"))
    .map((name) => name.replace(".json", ""));
  assert.ok(names.length >= 4, `${folder} has its cases`);
  for (const name of names) {
    const path = `${root}/${folder}/${name}`;
    const stated: Stated = JSON.parse(readFileSync(`${path}.json`, "utf8"));
    if (stated.method.endsWith("training")) continue; // whole runs are among the cases of conformance

    test(name, () => {
      const { tensors } = loadSafetensors(`${path}.safetensors`);
      const input = (key: string) => {
        const { shape } = tensors.get(key) as SafeTensor;
        return { data: (tensors.get(key) as SafeTensor).integers(), shape };
      };
      const compared: string[] = [];
      const near = (key: string, given: ArrayLike<number>): void => {
        const expected = (tensors.get(key) as SafeTensor).values();
        const { rtol = 0, atol = 0 } = stated.tensors[key].tolerance ?? {};
        assert.is(given.length, expected.length, key);
        for (let i = 0; i < given.length; i++) {
          const bound = atol + rtol * Math.abs(Number(expected[i]));
          const far = Math.abs(Number(expected[i]) - given[i]);
          assert.ok(far <= bound, `${key}: element ${i} is ${given[i]}, expected ${expected[i]}`);
        }
        compared.push(key);
      };
      const model = loadPretrained(`${root}/${folder}`) as GPT2 | Llama;
      const { adapter, new_tokens: maxNewTokens = 0 } = stated.params;
      const adapted: AdaptedModel<GPT2 | Llama> | null = adapter
        ? loadAdapter(model, `${root}/${folder}/${adapter}`)
        : null;
      noGrad(() => {
        const logits = (): Float32Array | Float64Array =>
          ((adapted ?? model).forward(input("input_ids")) as Tensor).toArray();
        near("logits", logits());
        if (tensors.has("loss"))
          near("loss", [(adapted?.model ?? model).loss(input("input_ids"), input("labels")).item()]);
        if (tensors.has("greedy_ids"))
          near("greedy_ids", generate(adapted ?? model, input("prompt_ids"), { maxNewTokens }).data);
        if (tensors.has("logits_merged")) {
          adapted?.merge();
          near("logits_merged", logits());
        }
      });
      const outputs = Object.entries(stated.tensors).filter(
        ([key, { role }]) => role === "output" && !/^(grad|merged)\./.test(key),
      );
      assert.equal(compared.sort(), outputs.map(([key]) => key).sort());
    });
  }
}

test.run();
