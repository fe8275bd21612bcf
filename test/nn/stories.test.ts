/**
 * @file A real, published model, a Llama of 260,032 parameters (Karpathy's stories260K): its logits, its loss, and the story
 * that its author published, token for token. It lies beside the checkout, in ../shared/models, and is not part of the
 * project; without it these tests are skipped.
 */

import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { noGrad } from "lowrank/autograd";
import { exists, withDevice } from "lowrank/core";
import {
  generate,
  generateTokens,
  Llama,
  layout,
  loadPretrained,
  loadTokenizer,
  parameterCount,
  stopFilter,
} from "lowrank/nn";
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

  const tokenizer = loadTokenizer(folder);
  const texts = ["Once upon a time", "Lily", "The dog was very sad because", "Tom and"];

  test("continues prompts of unequal length as each alone, padded on either side", () => {
    withDevice("cpu", () => {
      const prompts = texts.map((text) => [...tokenizer.encode(text)]);
      const options = { maxNewTokens: 60 };
      const alone = prompts.map((prompt) => generate(model, [prompt], options).rows[0]);
      assert.equal(generate(model, prompts, options).rows, alone);
      for (const side of ["left", "right"] as const) {
        const { ids, mask } = tokenizer.encodeBatch(texts, { side });
        assert.equal(generate(model, ids, { ...options, attentionMask: mask }).rows, alone);
        const loss = model.loss(ids, undefined, { attentionMask: mask, reduction: "sum" }).item();
        const sum = prompts.reduce(
          (all, row) => all + model.loss([row], [row], { reduction: "sum" }).item(),
          0,
        );
        assert.ok(Math.abs(loss - sum) < 1e-5 * sum, `${loss}, ${sum}`);
      }
    });
  });

  test("a stop string may begin with the space before the first new word", () => {
    withDevice("cpu", () => {
      const prompt = [...tokenizer.encode("Once upon a")];
      const options = { maxNewTokens: 9, stopStrings: " time", tokenizer };
      const { rows } = generate(model, [prompt], options);
      assert.is(tokenizer.decode(rows[0]), "Once upon a time");
      assert.is(
        generate(model, [prompt], { ...options, stopStrings: "a time" }).rows[0].length,
        prompt.length + 9,
      );
    });
  });

  test("stops where the text after the prompt first has a stop string, and prints what comes before it", () => {
    withDevice("cpu", () => {
      const prompt = [...tokenizer.encode(texts[0])];
      const all = generate(model, [prompt], { maxNewTokens: 80 }).rows[0];
      const start = tokenizer.decode(prompt).length;
      const textOf = (tokens: number): string =>
        tokenizer.decode(all.slice(0, prompt.length + tokens)).slice(start);
      const whole = textOf(80);
      fc.assert(
        fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 12 }), (from, length) => {
          const stop = whole.slice(from, from + length);
          const stops = { stopStrings: stop, tokenizer };
          const { rows } = generate(model, [prompt], { maxNewTokens: 80, ...stops });
          const tokens = rows[0].length - prompt.length;
          assert.ok(
            textOf(tokens).includes(stop) && !textOf(tokens - 1).includes(stop),
            `${tokens}: ${stop}`,
          );
          const [stream, filter] = [tokenizer.decodeStream(), stopFilter(stop)];
          for (const id of prompt) stream.push(id);
          let printed = "";
          for (const [token] of generateTokens(model, [prompt], { maxNewTokens: 80, ...stops }))
            printed += filter.push(stream.push(token as number));
          printed += filter.push(stream.end()) + filter.end();
          assert.is(printed, whole.slice(0, whole.indexOf(stop)));
        }),
        { numRuns: 12 },
      );
    });
  });
}

test.run();
