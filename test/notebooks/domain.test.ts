import * as fc from "fast-check";
import { random } from "lowrank/core";
import { GPT2 } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  countedLabels,
  decode,
  encode,
  taskDomain,
  textDomain,
} from "../../notebooks/support/data/domain.ts";
import { anyStyle, houseStyle, LONGEST } from "../../notebooks/support/data/house-style.ts";
import { arithmetic, examples } from "../../notebooks/support/data/tasks.ts";
import { validationLoss } from "../../notebooks/support/experiments/evaluation.ts";
import { gpt2Fields } from "../../notebooks/support/experiments/gpt2-fields.ts";

const domains = suite("domains");

const seed = fc.nat(10_000);
const symbols = fc.integer({ min: 0, max: 95 }).map((id) => decode([id]));
const texts = fc.array(symbols, { maxLength: 40 }).map((list) => list.join(""));

domains("decode undoes encode; ids are 0 … 95", () => {
  fc.assert(
    fc.property(texts, (text) => {
      const ids = encode(text);
      assert.is(decode(ids), text);
      assert.ok(ids.every((id) => id >= 0 && id < 96));
    }),
  );
  assert.throws(() => encode("é"), /printable ASCII; got code 233 at 0/);
});

domains("windows are pieces of the text, and no training window lies in a held-out block", () => {
  // Each block of 2,000 characters is one letter; the tenth is held out.
  const letters = "abcdefghijklmnopqrst";
  const text = [...letters].map((letter) => letter.repeat(2000)).join("");
  const domain = textDomain("letters", text, { time: 8, windows: 10 });
  const held = new Set("jt");
  fc.assert(
    fc.property(seed, (s) => {
      const { ids } = domain.batch(3, random(s));
      assert.equal(ids.shape, [3, 9]);
      assert.equal(ids, domain.batch(3, random(s)).ids);
      for (const letter of decode(ids.data)) assert.not(held.has(letter));
    }),
  );
  for (const { ids } of domain.validation) for (const letter of decode(ids.data)) assert.ok(held.has(letter));
  assert.throws(() => textDomain("short", "abc", { time: 8, windows: 1 }), /1 windows of 9/);
});

domains("only labels of completions count, and no training prompt is a validation prompt", () => {
  const time = 11;
  const domain = taskDomain(arithmetic({ digits: 1, operation: "+" }), { time, test: 20, random: random(1) });
  const promptsOf = (data: Int32Array): string[] =>
    Array.from({ length: data.length / (time + 1) }, (_, row) =>
      decode(data.subarray(row * (time + 1), (row + 1) * (time + 1))),
    ).map((line) => line.slice(0, line.indexOf("=")));
  const held = new Set(domain.validation.flatMap(({ ids }) => promptsOf(ids.data)));
  assert.is(held.size, 20);
  fc.assert(
    fc.property(seed, (s) => {
      const { ids, labels } = domain.batch(4, random(s));
      for (const prompt of promptsOf(ids.data)) assert.not(held.has(prompt));
      const counted = [...labels.data].filter((label) => label !== -100);
      assert.is(countedLabels({ ids, labels }), counted.length);
      assert.match(decode(counted), /^(\d{1,2}\n){4}$/);
    }),
  );
});

domains("a validation loss is the mean over the labels that count: ln 96 for a model of zeros", () => {
  const domain = taskDomain(houseStyle, { time: LONGEST - 1, test: 40, random: random(2) });
  const fields = gpt2Fields({ d: 2, layers: 1, heads: 1, time: LONGEST - 1 });
  const model = new GPT2(fields, { rng: random(0) });
  for (const parameter of model.parameters()) parameter.assign(new Float32Array(parameter.size));
  assert.ok(Math.abs(validationLoss(model, domain) - Math.log(96)) < 1e-5); // float32 sums of 1,600 terms of 4.6
});

domains("a house style has one sentence for each set of facts, and it is one of the free styles", () => {
  fc.assert(
    fc.property(seed, (s) => {
      const [free, house] = [anyStyle, houseStyle].map((task) => examples(task, 30, random(s)));
      const said = new Map<string, string>();
      for (const { prompt, completion } of house) {
        assert.is(said.get(prompt) ?? completion, completion);
        said.set(prompt, completion);
      }
      for (const { prompt, completion } of [...free, ...house])
        assert.ok((prompt + completion).length <= LONGEST);
    }),
    { numRuns: 30 },
  );
  const ways = new Set(
    examples(anyStyle, 80_000, random(3))
      .filter(({ prompt }) => prompt.startsWith("Mill Thai cheap river"))
      .map(({ completion }) => completion),
  );
  const [{ prompt, completion }] = examples(houseStyle, 20_000, random(4)).filter(({ prompt }) =>
    prompt.startsWith("Mill Thai cheap river"),
  );
  assert.is(prompt, "Mill Thai cheap river>");
  assert.ok(ways.size > 20 && ways.size <= 54);
  assert.match(completion, /Mill/);
});

domains.run();
