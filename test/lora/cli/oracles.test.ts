/**
 * @file The tiny GPT-2 and Llama of the oracles through the command line, by token ids: greedy tokens of transformers and PEFT,
 * and the loss that follows from their logits; merged and not. Files of transformers and PEFT beside the checkout, too.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { exists, loadSafetensors, makeTemporaryFolder, removeFile } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lowrank } from "./run.ts";

const test = suite("oracles by command");
const folder = makeTemporaryFolder("lowrank-ids-");
test.after(() => removeFile(folder));

interface Generated {
  results: { ids: number[] }[];
}

const generated = async (...words: string[]): Promise<number[][]> => {
  const ran = await lowrank(["generate", "--json", "--quiet", "--ignore-eos", ...words]);
  assert.is(ran.code, 0, ran.stderr);
  return (ran.json<never>() as Generated).results.map(({ ids }) => ids);
};

/** The loss that `lowrank eval` finds for these ids, of the adapter when there is one. */
async function lossOf(ids: readonly number[], ...words: string[]): Promise<number> {
  const file = `${folder}/ids.txt`;
  writeFileSync(file, JSON.stringify(ids));
  const ran = await lowrank(["eval", "--json", "--quiet", "--ids", file, ...words]);
  assert.is(ran.code, 0, ran.stderr);
  const { base, adapter } = ran.json<{
    base: { loss: number; bitsPerByte: null };
    adapter: { loss: number } | null;
  }>();
  assert.is(base.bitsPerByte, null);
  return (adapter ?? base).loss;
}

/** The mean of −log p of each id after the first, from logits [time][vocab]. */
function lossFrom(logits: readonly (readonly number[])[], ids: readonly number[]): number {
  const losses = ids.slice(1).map((id, t) => {
    const most = Math.max(...logits[t]);
    return most + Math.log(logits[t].reduce((sum, x) => sum + Math.exp(x - most), 0)) - logits[t][id];
  });
  return losses.reduce((sum, x) => sum + x, 0) / losses.length;
}

const rowsOf = <T>(values: ArrayLike<T>, width: number): T[][] =>
  Array.from({ length: values.length / width }, (_, i) =>
    Array.from(values).slice(i * width, (i + 1) * width),
  );

for (const kind of ["gpt2-tiny", "llama-tiny"]) {
  const base = `test/oracles/${kind}`;
  const cases = readdirSync(base).filter((name) => name.endsWith(".safetensors") && name.startsWith(kind));
  for (const name of cases) {
    const { tensors } = loadSafetensors(`${base}/${name}`);
    const adapter = name.slice(kind.length + 1, -".safetensors".length);
    const [ids, logits, greedy, prompt] = ["input_ids", "logits", "greedy_ids", "prompt_ids"].map((key) =>
      tensors.get(key),
    );
    if (!ids || !logits || (adapter !== "" && !exists(`${base}/${adapter}`))) continue;
    const on = adapter === "" ? [] : ["--adapter", `${base}/${adapter}`];
    test(`${kind}${adapter && ` with ${adapter}`}: losses, and greedy tokens`, async () => {
      const [, time, vocab] = logits.shape;
      const each = rowsOf(rowsOf(Array.from(logits.floats()), vocab), time);
      for (const [row, tokens] of rowsOf(Array.from(ids.integers()), time).entries()) {
        const expected = lossFrom(each[row], tokens);
        const loss = await lossOf(tokens, "--base", base, ...on);
        assert.ok(Math.abs(loss - expected) < 1e-5 * Math.max(1, expected), `${loss} ${expected}`);
      }
      if (!greedy || !prompt) return;
      const all = [...greedy.integers()];
      const first = [...prompt.integers()];
      const more = [
        "--base",
        base,
        "--ids",
        first.join(","),
        "--max-tokens",
        String(all.length - first.length),
        ...on,
      ];
      assert.equal(await generated(...more), [all.slice(first.length)]);
      if (on.length > 0) assert.equal(await generated(...more, "--merge"), [all.slice(first.length)]);
    });
  }
}

test("ids without a tokenizer: text is the ids, and what needs a text is refused", async () => {
  const base = "test/oracles/llama-tiny";
  const { stdout } = await lowrank([
    "generate",
    "--base",
    base,
    "--ids",
    "[1, 2]",
    "--ids",
    "3",
    "--max-tokens",
    "1",
  ]);
  assert.match(stdout, /^\[1\] 1 2 \d+\n\n\[2\] 3 \d+\n$/);
  for (const [words, problem] of [
    [["--ids", "1,999"], /--ids: expected ids of tokens from 0 to 60, such as 1,15,9; got "999"/],
    [["--ids", "one"], /got "one"/],
    [["--ids", "-1"], /got "-1"/],
    [["--ids", " "], /got none/],
    [["--ids", "1", "--prompt", "a"], /--prompt: expected either/],
    [["--ids", "1", "--chat"], /--chat/],
    [["--ids", "1", "--stop", "a"], /--stop: expected a base with a tokenizer/],
    [["--prompt", "a"], /no tokenizer.json/],
    [[], /--prompt: expected a text to continue, or --ids/],
  ] as const) {
    const ran = await lowrank(["generate", "--base", base, ...words]);
    assert.equal([ran.code, ran.stdout], [1, ""], words.join(" "));
    assert.match(ran.stderr, problem);
  }
  writeFileSync(`${folder}/one.txt`, "7");
  for (const [words, problem] of [
    [["--ids", `${folder}/one.txt`], /at least 2 tokens/],
    [["--ids", `${folder}/none.txt`], /--ids: there is no file/],
    [["--ids", `${folder}/one.txt`, "--text", "x"], /either a text or --ids/],
    [[], /--text: expected the file of a text, or --ids/],
  ] as const) {
    const ran = await lowrank(["eval", "--base", base, ...words]);
    assert.equal([ran.code, ran.stdout], [1, ""]);
    assert.match(ran.stderr, problem);
  }
});

const shared = "../shared/interop";
if (!exists(shared)) {
  console.log(`skipped: files of transformers and PEFT: ${shared} is not there`);
  test.skip("files of transformers and PEFT");
} else {
  const rows = [
    [5, 9, 3, 17, 22, 8, 40, 2],
    [7, 7, 31, 12, 4, 19, 25, 33],
  ];
  const decoders = { g: "gpt2", gu: "gpt2u", l: "llama", lt: "llamat" } as const;
  const found = [
    ...Object.values(decoders).map((name) => [name, ""] as const),
    ...readdirSync(`${shared}/adapters`).flatMap((adapter) => {
      const base = decoders[adapter.split("-")[0] as keyof typeof decoders];
      return base &&
        exists(`${shared}/adapters/${adapter}/adapter_model.safetensors`) &&
        !adapter.includes("pissa_niter")
        ? [[base, adapter] as const]
        : [];
    }),
  ];
  for (const [base, adapter] of found) {
    test(`${base}${adapter && ` with ${adapter}`}: the losses of transformers' logits`, async () => {
      const file = adapter
        ? `${shared}/adapters/${adapter}/logits.json`
        : `${shared}/base/${base}/logits.json`;
      const json = JSON.parse(readFileSync(file, "utf8"));
      const logits: number[][][] = json.logits ?? json;
      const on = adapter ? ["--adapter", `${shared}/adapters/${adapter}`] : [];
      for (const [i, ids] of rows.entries()) {
        const expected = lossFrom(logits[i], ids);
        const loss = await lossOf(ids, "--base", `${shared}/base/${base}`, ...on);
        assert.ok(Math.abs(loss - expected) < 2e-5 * Math.max(1, expected), `${loss} ${expected}`);
      }
      const next = logits.map((row) => row[row.length - 1].indexOf(Math.max(...row[row.length - 1])));
      const words = rows.flatMap((ids) => ["--ids", ids.join(" ")]);
      assert.equal(
        await generated("--base", `${shared}/base/${base}`, ...words, "--max-tokens", "1", ...on),
        next.map((id) => [id]),
      );
    });
  }
}

test.run();
