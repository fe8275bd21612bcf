import * as fc from "fast-check";
import { type Tensor, tensor } from "lowrank/autograd";
import { type IndexLike, indices, random } from "lowrank/core";
import { type LanguageModel, Module } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  acceptability,
  entailment,
  LONGEST,
  sentiment,
} from "../../notebooks/support/data/classification.ts";
import { encode, taskDomain, VOCABULARY } from "../../notebooks/support/data/domain.ts";
import { anyStyle, factsOf, sentence, VALUES } from "../../notebooks/support/data/house-style.ts";
import { examples } from "../../notebooks/support/data/tasks.ts";
import { accuracy } from "../../notebooks/support/experiments/evaluation.ts";

const classification = suite("classification tasks");

const seed = fc.nat(1_000_000);
const tasks = [sentiment, acceptability, entailment];

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const restaurants = upTo(VALUES.name).flatMap((name) =>
  upTo(VALUES.food).flatMap((food) =>
    upTo(VALUES.price).flatMap((price) => upTo(VALUES.area).map((area) => ({ name, food, price, area }))),
  ),
);
const styles = [false, true].flatMap((areaFirst) =>
  upTo(27).map((i) => ({
    areaFirst,
    verb: i % 3,
    priceWord: Math.floor(i / 3) % 3,
    areaWord: Math.floor(i / 9),
  })),
);

/** What can be said, and of which facts. */
const sayings = new Map(
  restaurants.flatMap((one) => styles.map((style) => [sentence(one, style), factsOf(one)] as const)),
);

classification("the free styles give 1,728 × 54 different sentences, and `anyStyle` says no other", () => {
  assert.is(restaurants.length, 1728);
  assert.is(sayings.size, 1728 * 54);
  for (const { prompt, completion } of examples(anyStyle, 5000, random(0)))
    assert.is(sayings.get(completion.trimEnd()), prompt);
});

for (const task of tasks) {
  classification(`${task.name}: the seed decides everything; two classes, equally likely; fits 80`, () => {
    fc.assert(
      fc.property(seed, (s) => {
        const drawn = examples(task, 20, random(s));
        assert.equal(drawn, examples(task, 20, random(s)));
        for (const { prompt, completion } of drawn) {
          assert.match(prompt, /^[ -~]+$/);
          assert.ok((prompt + completion).length <= LONGEST);
        }
      }),
    );
    const completions = examples(task, 10_000, random(1)).map(({ completion }) => completion);
    const classes = [...new Set(completions)];
    assert.is(classes.length, 2);
    const share = completions.filter((one) => one === classes[0]).length / 10_000;
    assert.ok(Math.abs(share - 0.5) < 0.025); // five standard deviations
  });
}

classification("each label is right for its prompt", () => {
  fc.assert(
    fc.property(seed, (s) => {
      const [feeling, form, pair] = tasks.map((task) => task.sample(random(s)));
      assert.match(
        sayings.get(feeling.prompt) as string,
        feeling.completion === "good\n" ? / cheap / : / pricey /,
      );
      assert.is(sayings.has(form.prompt), form.completion === "yes\n");
      const [facts, said] = pair.prompt.split(">");
      const shared = (sayings.get(said) as string)
        .slice(0, -1)
        .split(" ")
        .filter((fact) => facts.split(" ").includes(fact));
      assert.is(shared.length, pair.completion === "yes\n" ? 4 : 0);
    }),
    { numRuns: 1000 },
  );
});

classification("accuracy counts the rows in which every symbol of the completion is the likeliest", () => {
  const domain = taskDomain(entailment, { time: LONGEST - 1, test: 50, random: random(2) });
  const [n, o, y] = encode("noy");
  const count = (symbol: number): number =>
    domain.validation.reduce((sum, { labels }) => sum + labels.data.filter((id) => id === symbol).length, 0);
  // After all else it says y or n; after n comes o, and after o the line feed, 0. It never says "yes" to its end.
  assert.is(
    accuracy(
      new Speller(
        new Map([
          [n, o],
          [o, 0],
        ]),
        n,
      ),
      domain,
    ),
    count(n) / 50,
  );
  assert.is(
    accuracy(
      new Speller(
        new Map([
          [n, o],
          [o, 0],
        ]),
        y,
      ),
      domain,
    ),
    0,
  );
});

/** A language model that says one symbol after another. */
class Speller extends Module implements LanguageModel {
  readonly contextLength = LONGEST;
  readonly after: ReadonlyMap<number, number>;
  readonly otherwise: number;

  constructor(after: ReadonlyMap<number, number>, otherwise: number) {
    super();
    this.after = after;
    this.otherwise = otherwise;
  }

  forward(ids: IndexLike): Tensor {
    const { data, shape } = indices(ids);
    const logits = new Float32Array(data.length * VOCABULARY);
    data.forEach((id, i) => {
      logits[i * VOCABULARY + (this.after.get(id) ?? this.otherwise)] = 1;
    });
    return tensor(logits, [...shape, VOCABULARY]);
  }
}

classification.run();
