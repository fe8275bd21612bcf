/**
 * @file The oracles of tiny language models through the command line alone: greedy continuations of `generate`, losses of
 * `eval`, with each adapter beside the base and merged into it. Their tokens have numbers in place of texts.
 */

import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSafetensors } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lowrank } from "./run.ts";

const oracles = suite("oracles on the command line");
const home = mkdtempSync(join(tmpdir(), "lowrank-oracles-"));
oracles.after(() => rmSync(home, { recursive: true, force: true }));

const VOCABULARY = 61;

/** The oracle's model in a folder, with a tokenizer whose tokens are the numbers of the ids. */
function folderOf(model: string): string {
  const folder = join(home, model);
  for (const file of ["config.json", "model.safetensors"])
    cpSync(join("test/oracles", model, file), join(folder, file));
  const vocab = Object.fromEntries(Array.from({ length: VOCABULARY }, (_, id) => [String(id), id]));
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", vocab, unk_token: "0" },
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  return folder;
}

interface Values {
  readonly ids: readonly (readonly number[])[];
  readonly logits: ArrayLike<number>;
  readonly prompt: readonly number[];
  readonly greedy: readonly number[];
}

function valuesOf(model: string, name: string): Values {
  const { tensors } = openSafetensors(join("test/oracles", model, `${name}.safetensors`));
  const values = (key: string): number[] => Array.from(tensors.get(key)?.values() ?? [], Number);
  const all = values("input_ids");
  const [rows, time] = tensors.get("input_ids")?.shape ?? [];
  return {
    ids: Array.from({ length: rows }, (_, row) => all.slice(row * time, (row + 1) * time)),
    logits: values("logits"),
    prompt: values("prompt_ids"),
    greedy: values("greedy_ids"),
  };
}

/** Mean of −log p of each token after the first of a row. */
function lossOf({ ids, logits }: Values, row: number): number {
  const time = ids[row].length;
  let total = 0;
  for (let t = 0; t < time - 1; t++) {
    const at = (row * time + t) * VOCABULARY;
    const scores = Array.from({ length: VOCABULARY }, (_, id) => logits[at + id]);
    const max = Math.max(...scores);
    const norm = max + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - max), 0));
    total += norm - scores[ids[row][t + 1]];
  }
  return total / (time - 1);
}

/** The greedy continuation of `generate`. */
async function checkGreedy(words: readonly string[], values: Values, length: number): Promise<void> {
  const prompt = values.prompt.join(" ");
  const spoken = await lowrank([
    "generate",
    ...words,
    "--prompt",
    prompt,
    "--max-tokens",
    `${length}`,
    "--json",
  ]);
  assert.is(spoken.code, 0, spoken.stderr);
  const { ids, text } = spoken.json<{ ids: number[]; text: string }>();
  const expected = values.greedy.slice(values.prompt.length);
  assert.equal(ids, expected);
  assert.is(text.trim(), expected.join(" "));
}

async function checked(base: string, adapter: readonly string[], values: Values, length = 8): Promise<void> {
  const words = ["--base", base, ...adapter.flatMap((folder) => ["--adapter", folder])];
  if (values.prompt.length > 0) await checkGreedy(words, values, length);
  for (const row of values.ids.keys()) {
    const file = join(home, "row.txt");
    writeFileSync(file, values.ids[row].join(" "));
    const measured = await lowrank(["eval", ...words, "--text", file, "--json"]);
    assert.is(measured.code, 0, measured.stderr);
    const { base: plain, adapter: adapted } = measured.json<Record<string, { loss: number }>>();
    const { loss } = adapter.length > 0 ? adapted : plain;
    assert.ok(Math.abs(loss - lossOf(values, row)) < 2e-5, `${loss} for ${lossOf(values, row)}`);
  }
}

for (const model of ["gpt2-tiny", "llama-tiny"]) {
  oracles(`${model} continues and measures texts as its oracle does`, async () => {
    await checked(folderOf(model), [], valuesOf(model, model));
  });
  const adapters = readdirSync(join("test/oracles", model), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  for (const adapter of adapters)
    oracles(
      `${model} with ${adapter} does as its oracle, beside the base and merged into a checkpoint`,
      async () => {
        const base = folderOf(model);
        const values = valuesOf(model, `${model}-${adapter}`);
        const folder = join("test/oracles", model, adapter);
        await checked(base, [folder], values);
        const merged = join(home, `${model}-${adapter}`);
        const { code, stderr } = await lowrank([
          "merge",
          "--base",
          base,
          "--adapter",
          folder,
          "--out",
          merged,
        ]);
        assert.is(code, 0, stderr);
        await checked(merged, [], values);
      },
    );
}

oracles.run();
