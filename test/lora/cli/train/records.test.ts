/** @file Examples from JSON lines: exactly the tokens of completions and of the assistant's messages count; broken lines are named. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { random, removeFile } from "lowrank/core";
import { type Llama, loadPretrained, loadTokenizer, nextTokenLoss } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { batchOf, order } from "../../../../lora/cli/train/run/batches.ts";
import { lossOf } from "../../../../lora/cli/train/run/loss.ts";
import { type Example, examplesIn, IGNORED } from "../../../../lora/cli/train/run/records.ts";
import { countOf, cutExamples, exampleSource, windowSource } from "../../../../lora/cli/train/run/source.ts";
import { quickFolder } from "../../../support/faults.ts";
import { chatml, tinyFolder } from "../../../support/tiny-folder.ts";
import { lowrank } from "../run.ts";

const records = suite("training examples");
const folder = quickFolder();
records.after(() => removeFile(folder));
const base = tinyFolder(join(folder, "base"), { context: 64, chatTemplate: chatml });
const tokenizer = loadTokenizer(base);
const plain = loadTokenizer(tinyFolder(join(folder, "plain"), { context: 64 }));
const EOS = tokenizer.eosToken?.id as number;

const examples = (objects: readonly unknown[], lossOn: "completion" | "all" = "completion"): Example[] =>
  examplesIn(
    { name: "data.jsonl", text: objects.map((object) => JSON.stringify(object)).join("\n") },
    { tokenizer, base, lossOn },
  );

/** The ids of an example that count. */
const counting = ({ labels }: Example): number[] => [...labels].filter((label) => label !== IGNORED);
const decoded = (ids: readonly number[]): string => tokenizer.decode(ids, { skipSpecialTokens: false });
const words = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });

records("of a prompt and its completion, the completion and the end-of-text token count", () => {
  fc.assert(
    fc.property(words, words, (prompt, completion) => {
      const [example] = examples([{ prompt, completion }]);
      assert.is(decoded([...example.ids]), `<s>${prompt}${completion}</s>`);
      assert.is(decoded(counting(example)), `${completion}</s>`);
      const [all] = examples([{ prompt, completion }], "all");
      assert.equal([...all.labels], [...all.ids]);
    }),
  );
});

records("of a text all of it counts, once with the end-of-text token", () => {
  for (const text of ["some text", "some text</s>"]) {
    const [{ ids, labels }] = examples([{ text }]);
    assert.equal([...labels], [...ids]);
    assert.is([...ids].filter((id) => id === EOS).length, 1);
  }
});

records("of a conversation the assistant's messages count, with the token that ends them", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(words, words), { minLength: 1, maxLength: 4 }), (turns) => {
      const messages = turns.flatMap(([user, assistant]) => [
        { role: "user", content: user },
        { role: "assistant", content: assistant },
      ]);
      const [example] = examples([{ messages }]);
      assert.is(decoded(counting(example)), turns.map(([, answer]) => `${answer}<|im_end|>\n`).join(""));
      assert.is(decoded([...example.ids]), tokenizer.applyChatTemplate(messages));
      const [all] = examples([{ messages }], "all");
      assert.equal([...all.labels], [...all.ids]);
    }),
  );
});

records("a broken line is named by its number, with what was expected", () => {
  const cases: [string, RegExp][] = [
    ["{", /data\.jsonl:3: not JSON; expected one object a line, \{"prompt"/],
    ["not json", /data\.jsonl:3: not JSON/],
    ["3", /data\.jsonl:3: expected .*; got 3/],
    ["[1]", /data\.jsonl:3: expected .*; got a list/],
    ["{}", /data\.jsonl:3: .*; got an empty object/],
    ['{"prompt": "a"}', /data\.jsonl:3: .*; got no completion beside prompt/],
    ['{"completion": "a"}', /data\.jsonl:3: .*; got no prompt beside completion/],
    ['{"instruction": "a", "output": "b"}', /data\.jsonl:3: .*; got the fields instruction, output/],
    ['{"text": "a", "messages": []}', /data\.jsonl:3: .*; got the fields text, messages/],
    ['{"text": 3}', /data\.jsonl:3: text: expected a string; got 3/],
    ['{"text": ""}', /data\.jsonl:3: text: expected some text/],
    ['{"prompt": "a", "completion": null}', /data\.jsonl:3: completion: expected a string; got null/],
    ['{"messages": []}', /data\.jsonl:3: messages: expected a list/],
    ['{"messages": "hello"}', /data\.jsonl:3: messages: expected a list .*; got "hello"/],
    ['{"messages": [{"role": "user"}]}', /data\.jsonl:3: messages\[0\]: expected/],
    [
      '{"messages": [{"role": "user", "content": "a"}]}',
      /data\.jsonl:3: messages: expected an answer.*the roles are user/,
    ],
  ];
  for (const [line, expected] of cases) {
    const text = `{"text": "a"}\r\n\n${line}\n{"text": "b"}\n`;
    assert.throws(
      () => examplesIn({ name: "data.jsonl", text }, { tokenizer, base, lossOn: "completion" }),
      expected,
    );
  }
  assert.is(
    examples([
      { text: "a", id: 7 },
      { prompt: "a", completion: "b" },
    ]).length,
    2,
  );
});

records(
  "messages without a chat template are refused, and what the template refuses is said with the line",
  () => {
    const text = '{"messages": [{"role": "assistant", "content": "a"}]}';
    assert.throws(
      () =>
        examplesIn({ name: "a.jsonl", text }, { tokenizer: plain, base: "models/x", lossOn: "completion" }),
      /a\.jsonl:1: messages need the model's chat template, and models\/x has none/,
    );
    const strict = loadTokenizer(
      tinyFolder(join(folder, "strict"), { chatTemplate: "{{ raise_exception('roles must alternate') }}" }),
    );
    assert.throws(
      () => examplesIn({ name: "a.jsonl", text }, { tokenizer: strict, base, lossOn: "completion" }),
      /a\.jsonl:1: .*roles must alternate/,
    );
  },
);

records("a template that rewrites earlier messages is refused, unless all counts", () => {
  const rewriting = loadTokenizer(
    tinyFolder(join(folder, "rewriting"), {
      chatTemplate:
        "{% for m in messages %}{{ m['role'] + ':' }}{% if loop.last %}{{ '!' }}{% endif %}{{ m['content'] + '\\n' }}{% endfor %}",
    }),
  );
  const text = JSON.stringify({
    messages: [
      { role: "assistant", content: "a" },
      { role: "assistant", content: "b" },
    ],
  });
  const read = (lossOn: "completion" | "all") =>
    examplesIn({ name: "a.jsonl", text }, { tokenizer: rewriting, base, lossOn });
  assert.throws(
    () => read("completion"),
    /a\.jsonl:1: the chat template writes messages\[0\] otherwise when more follow/,
  );
  assert.is(read("all").length, 1);
});

const drawn = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 7,
  })
  .map((sizes) =>
    sizes.map(([prompt, answer], i): Example => {
      const ids = Int32Array.from({ length: prompt + answer + 1 }, (_, t) => (7 * i + 3 * t) % 256);
      return { ids, labels: ids.map((id, t) => (t > prompt ? id : IGNORED)) };
    }),
  );

records("a batch of unequal examples is their mean, whatever stands at the padding", () => {
  const model = loadPretrained(base) as Llama;
  fc.assert(
    fc.property(drawn, fc.integer({ min: 0, max: 260 }), (list, padding) => {
      const counts = list.map(countOf);
      const total = counts.reduce((sum, n) => sum + n, 0);
      const together = lossOf(model, batchOf(list, padding), 1 / total).item();
      const alone = list.map(({ ids, labels }) =>
        nextTokenLoss(model, [[...ids]], [[...labels]], { reduction: "sum" }).item(),
      );
      const mean = alone.reduce((sum, loss) => sum + loss, 0) / total;
      assert.ok(Math.abs(together - mean) < 2e-5, `${together} and ${mean}`);
    }),
    { numRuns: 30 },
  );
});

records("every pass goes through each example once, and a step's parts follow each other", () => {
  fc.assert(
    fc.property(
      ...[
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(99),
      ],
      (size, batchSize, accumulate, seed) => {
        const list = Array.from({ length: size }, (_, i): Example => {
          const ids = Int32Array.of(i, i);
          return { ids, labels: ids };
        });
        const examplesOf = order(exampleSource(list), { batchSize, accumulate, seed });
        const seen: number[] = [];
        for (let step = 0; seen.length < 3 * size; step++)
          for (let part = 0; part < accumulate; part++)
            for (const { ids } of examplesOf(step, part)) seen.push(ids[0]);
        for (let pass = 0; pass < 3; pass++)
          assert.equal(
            seen.slice(pass * size, (pass + 1) * size).sort((a, b) => a - b),
            Array.from({ length: size }, (_, i) => i),
          );
        const again = order(exampleSource(list), { batchSize, accumulate, seed })(1, 0);
        assert.equal(again, examplesOf(1, 0));
      },
    ),
  );
});

records("windows hold each token at most once in a pass, and begin elsewhere in another", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 60 }),
      fc.integer({ min: 2, max: 20 }),
      fc.nat(5),
      (n, length, pass) => {
        const tokens = Int32Array.from({ length: n }, (_, i) => i);
        if (n < length)
          return void assert.throws(() => windowSource("a.txt", tokens, length, random(1)), /a window has/);
        const source = windowSource("a.txt", tokens, length, random(1));
        const ids = Array.from({ length: source.size }, (_, i) => [...source.at(i, pass).ids]).flat();
        assert.is(ids.length, source.size * length);
        assert.ok(ids.every((id, i) => i === 0 || id === ids[i - 1] + 1));
        assert.ok(ids[0] >= 0 && (ids.at(-1) as number) < n);
      },
    ),
  );
});

records("examples are cut at their ends, and those without anything that counts are left out", () => {
  const ids = Int32Array.from([1, 2, 3, 4]);
  const late = { ids, labels: Int32Array.from([IGNORED, IGNORED, IGNORED, 4]) };
  const early = { ids, labels: Int32Array.from([1, 2, IGNORED, 4]) };
  const { examples: kept, cut, leftOut } = cutExamples([late, early], 3);
  assert.equal([kept.length, cut, leftOut], [1, 2, 1]);
  assert.equal([...kept[0].labels], [1, 2, IGNORED]);
});

records(
  "chats and completions train from the command line, from a file and from standard input",
  async () => {
    const lines = [
      { prompt: "Say hi.", completion: " Hi!" },
      {
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hello!" },
        ],
      },
      { text: "Greetings are short." },
      { prompt: "Say it at length. ".repeat(9), completion: "No." },
    ];
    const text = lines.map((line) => JSON.stringify(line)).join("\n");
    const file = join(folder, "data.jsonl");
    writeFileSync(file, text);
    const options = [
      "--base",
      base,
      "--rank",
      "2",
      "--steps",
      "3",
      "--lr",
      "0.01",
      "--batch-size",
      "2",
      "--sample-tokens",
      "4",
    ];
    for (const [i, argv] of [
      ["--data", file, "--validation", "0.3"],
      ["--data", "-", "--loss-on", "all"],
      ["--data", file, "--validation-data", file],
    ].entries()) {
      const out = join(folder, `out${i}`);
      const { code, stderr, json } = await lowrank(["train", ...options, ...argv, "--out", out, "--json"], {
        stdin: text,
      });
      assert.is(code, 0, stderr);
      const { loss, data, sample } = json<{
        loss: { before: number; after: number; of: string };
        data: { notes: string[] };
        sample: { prompt: string };
      }>();
      assert.ok(Number.isFinite(loss.after));
      assert.is(sample.prompt, "Say hi.");
      if (i !== 1) assert.match(data.notes[0], /1 of 4 examples (are|is) longer than 64 tokens/);
    }
    writeFileSync(file, JSON.stringify(lines[3]));
    const argv = ["train", ...options, "--data", file, "--length", "16", "--out", join(folder, "none")];
    const { code, stderr } = await lowrank(argv);
    assert.is(code, 1);
    assert.match(
      stderr,
      /--data: no example has a token that counts within 16 tokens; expected a larger --length/,
    );
  },
);

records.run();
