/**
 * @file A real, published model, a Llama of 260,032 parameters (Karpathy's stories260K): its logits, its loss, and the story
 * that its author published, token for token. It lies beside the checkout, in ../shared/models, and is not part of the
 * project; without it these tests are skipped.
 */

import { readFileSync } from "node:fs";
import { noGrad } from "lowrank/autograd";
import { exists, withDevice } from "lowrank/core";
import { generate, Llama, layout, loadPretrained, parameterCount } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("stories260K");
const folder = "../shared/models/stories260K";

interface Expected {
  readonly prompt_ids: number[];
  readonly loss_of_prompt: number;
  readonly last_logits: number[];
  readonly greedy_from_bos: number[];
}

if (!exists(folder)) {
  console.log(`skipped: a published model: ${folder} is not there`);
  test.skip("a published model");
} else {
  const expected: Expected = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
  const model = loadPretrained(folder) as Llama;

  test("has the parameters that its card says", () => {
    assert.instance(model, Llama);
    assert.is(parameterCount(layout(model.config)), 260_032);
  });

  for (const device of ["cpu", "reference"] as const) {
    test(`${device}: logits and loss of the prompt`, () => {
      withDevice(device, () =>
        noGrad(() => {
          const logits = model.forward([expected.prompt_ids], { lastOnly: true }).toArray();
          const largest = Math.max(...expected.last_logits.map(Math.abs));
          const far = Math.max(...expected.last_logits.map((logit, i) => Math.abs(logit - logits[i])));
          assert.ok(far <= 5e-6 * largest, `distance ${far} of ${largest}`);
          const loss = model.loss([expected.prompt_ids]).item();
          assert.ok(Math.abs(loss - expected.loss_of_prompt) < 1e-5, `loss ${loss}`);
        }),
      );
    });
  }

  test("tells its story, token for token", () => {
    const [bos, ...rest] = expected.greedy_from_bos;
    const { data } = withDevice("cpu", () => generate(model, [[bos]], { maxNewTokens: rest.length }));
    assert.equal([...data], expected.greedy_from_bos);
  });
}

test.run();
