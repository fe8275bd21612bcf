import * as fc from "fast-check";
import { random } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arithmetic, examples, facts, recall, split, type Task } from "../../notebooks/support/data/tasks.ts";

const tasks = suite("generated tasks");

const seed = fc.integer({ min: 0, max: 2 ** 31 });

const all: Task[] = [
  arithmetic({ digits: 2, operation: "+" }),
  recall({ pairs: 4 }),
  facts({ count: 50 }, random(0)),
];

for (const task of all) {
  tasks(`${task.name}: the seed decides everything; printable ASCII; one line completes the prompt`, () => {
    fc.assert(
      fc.property(seed, (s) => {
        const drawn = examples(task, 3, random(s));
        assert.equal(drawn, examples(task, 3, random(s)));
        for (const { prompt, completion } of drawn) {
          assert.match(prompt, /^[\n -~]+$/);
          assert.match(completion, /^[ -~]+\n$/);
          assert.ok((prompt + completion).length <= 128);
        }
      }),
    );
  });
}

tasks("arithmetic is right", () => {
  fc.assert(
    fc.property(
      seed,
      fc.constantFrom("+" as const, "-" as const, "*" as const),
      fc.integer({ min: 1, max: 4 }),
      (s, operation, digits) => {
        const { prompt, completion } = arithmetic({ digits, operation }).sample(random(s));
        const [, a, sign, b] = /^(\d+)([+*-])(\d+)=$/.exec(prompt)!;
        assert.is(sign, operation);
        assert.ok(Math.max(a.length, b.length) <= digits);
        const [x, y, answer] = [BigInt(a), BigInt(b), BigInt(completion.trim())];
        assert.is(answer, operation === "+" ? x + y : operation === "-" ? x - y : x * y);
      },
    ),
  );
});

tasks("recall asks for the value beside the key, and keys are distinct", () => {
  fc.assert(
    fc.property(seed, fc.integer({ min: 1, max: 26 }), (s, pairs) => {
      const { prompt, completion } = recall({ pairs }).sample(random(s));
      const table = new Map(Array.from(prompt.matchAll(/([a-z])(\d)/g), ([, key, value]) => [key, value]));
      assert.is(table.size, pairs);
      assert.is(table.get(prompt.at(-2)!), completion.trim());
    }),
  );
  for (const pairs of [0, 27, 1.5]) assert.throws(() => recall({ pairs }), RangeError);
});

tasks("facts are fixed: one answer for each of `count` keys", () => {
  const memory = facts({ count: 300 }, random(7));
  const answers = new Map(memory.all.map(({ prompt, completion }) => [prompt, completion]));
  assert.is(answers.size, 300);
  assert.ok(Math.abs(memory.bits - 300 * 9.9658) < 0.1);
  for (const { prompt, completion } of examples(memory, 500, random(8)))
    assert.is(answers.get(prompt), completion);
  assert.throws(() => facts({ count: 0 }, random(0)), RangeError);
});

tasks("training and test share no prompt; a task with too few prompts is refused", () => {
  fc.assert(
    fc.property(seed, (s) => {
      const { train, test } = split(
        arithmetic({ digits: 2, operation: "+" }),
        { train: 40, test: 20 },
        random(s),
      );
      assert.is(new Set([...train, ...test].map(({ prompt }) => prompt)).size, 60);
      assert.equal([train.length, test.length], [40, 20]);
    }),
  );
  const tiny = arithmetic({ digits: 1, operation: "+" });
  assert.throws(
    () => split(tiny, { train: 100, test: 1 }, random(1)),
    /expected 101 different prompts; found only 100/,
  );
});

tasks.run();
