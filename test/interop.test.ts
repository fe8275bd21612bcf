/**
 * @file Folders that transformers and PEFT wrote, with the logits that those programs computed from them. They lie beside
 * the checkout, in ../shared/interop, and are not part of the project; without them these tests are skipped.
 *
 * Right is the stated logits, within 5e-6 of the largest, or a CheckpointError that says what is not supported.
 */

import { readdirSync, readFileSync } from "node:fs";
import { noGrad } from "lowrank/autograd";
import { exists, LowrankError, setDevice } from "lowrank/core";
import { loadAdapter } from "lowrank/lora";
import { type Bert, type GPT2, type Llama, loadPretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("interop");
const root = "../shared/interop";

const ids = [
  [5, 9, 3, 17, 22, 8, 40, 2],
  [7, 7, 31, 12, 4, 19, 25, 33],
];

/** Which base an adapter is for, by how its name begins. */
const bases: readonly (readonly [string, string])[] = [
  ["lowrank-llama", "llama"],
  ...([
    ["b-", "bert"],
    ["r-", "roberta"],
    ["gu-", "gpt2u"],
    ["g-", "gpt2"],
  ] as const),
  ...([
    ["lt-", "llamat"],
    ["l-", "llama"],
  ] as const),
];

/** What may be refused, and the word that the refusal must hold. */
const refusals: Readonly<Record<string, string>> = {
  "adapters/l-bin": ".bin",
  "adapters/l-init-pissa_niter_4": "init_lora_weights",
  "checkpoints/bert-decoder": "is_decoder",
  "checkpoints/gpt2-bin": ".bin",
  "checkpoints/mistral-as-llama-sliding4": "sliding_window",
  "checkpoints/mistral": "sliding_window",
  "checkpoints/qwen2-as-llama": "qwen2",
};

const flat = (value: unknown): number[] => (Array.isArray(value) ? value.flatMap(flat) : [value as number]);

/** Largest distance from the stated logits, relative to the largest of them; null where none are stated. */
function distance(path: string, run: () => ArrayLike<number>): number | null {
  const given = run();
  if (!exists(`${path}/logits.json`)) return null;
  const stated = flat(JSON.parse(readFileSync(`${path}/logits.json`, "utf8")));
  assert.is(given.length, stated.length, "number of logits");
  const largest = Math.max(...stated.map(Math.abs));
  return Math.max(...stated.map((logit, i) => Math.abs(logit - given[i]))) / largest;
}

const forward = (model: { forward(ids: number[][]): unknown }): Float32Array =>
  noGrad(() => (model.forward(ids) as { toArray(): Float32Array }).toArray());

type Loaded = GPT2 | Llama | Bert;

const kinds: Readonly<Record<string, (path: string, name: string) => ArrayLike<number>>> = {
  base: (path) => forward(loadPretrained(path) as Loaded),
  checkpoints: (path) => forward(loadPretrained(path) as Loaded),
  adapters: (path, name) => {
    const base = bases.find(([start]) => name.startsWith(start))?.[1];
    return forward(loadAdapter(loadPretrained(`${root}/base/${base}`) as Loaded, path) as never);
  },
};

if (!exists(root)) {
  console.log(`skipped: files of other programs: ${root} is not there`);
  test.skip("files of other programs");
} else {
  setDevice("cpu");
  for (const [kind, run] of Object.entries(kinds)) {
    for (const name of readdirSync(`${root}/${kind}`)) {
      const path = `${root}/${kind}/${name}`;
      test(`${kind}/${name}`, () => {
        const word = refusals[`${kind}/${name}`];
        let far: number | null;
        try {
          far = distance(path, () => run(path, name));
        } catch (error) {
          if (!(error instanceof LowrankError) || word === undefined) throw error;
          assert.ok(error.message.includes(word), error.message);
          return;
        }
        assert.is(word, undefined, "it loads now: take it off the list of refusals");
        assert.ok(far === null || far <= 5e-6, `distance ${far}`);
      });
    }
  }
}

test.run();
