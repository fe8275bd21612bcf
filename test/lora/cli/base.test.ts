/** @file `--base`, `--adapter` and `--quantize`: adapters are weighted and summed, and what is not there is named. */

import { noGrad } from "lowrank/autograd";
import { exists, makeTemporaryFolder, random, removeFile, setWarnings, withDevice } from "lowrank/core";
import { inject, saveAdapter } from "lowrank/lora";
import { GPT2, loadPretrained, savePretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadBase, parseAdapter } from "../../../lora/cli/base.ts";
import { openTerminal } from "../../../lora/cli/terminal/terminal.ts";
import { randomize } from "../support/models.ts";

const test = suite("base");
const folder = makeTemporaryFolder("lowrank-base-");
const base = `${folder}/base`;
const terminal = openTerminal({
  stdout: { write() {} },
  stderr: { write() {} },
  stdin: process.stdin,
  env: {},
});

const gpt2 = (): GPT2 =>
  new GPT2(
    { vocab_size: 11, n_positions: 6, n_embd: 4, n_layer: 2, n_head: 2, model_type: "gpt2" },
    { rng: random(3) },
  );

test.before(() => {
  savePretrained(gpt2(), base);
  for (const [name, method, seed] of [
    ["a", "lora", 1],
    ["b.c", "lora", 2],
    ["d", "dora", 3],
  ] as const) {
    const adapted = inject(gpt2(), { method, rank: 2, target: ["c_attn", "c_fc"] });
    randomize(adapted as never, "default", seed);
    saveAdapter(adapted, `${folder}/${name}`);
  }
});
test.after(() => removeFile(folder));

const weightsOf = (adapter: readonly string[]) => {
  const { model, adapted } = loadBase({ base, adapter }, terminal);
  const plain = adapted ? adapted.toPlain() : model;
  return noGrad(() => new Map(Array.from(plain.namedParameters(), ([name, p]) => [name, [...p.value.data]])));
};

test("weights of adapters multiply their ΔW, and several are summed", () => {
  const none = weightsOf([]);
  const each = ["a", "b.c", "d"].map((name) => weightsOf([`${folder}/${name}`]));
  for (const weights of [
    [1, 1, 1],
    [0.5, -2, 0.25],
    [0, 0, 1],
  ]) {
    const sum = weightsOf(["a", "b.c", "d"].map((name, i) => `${folder}/${name}=${weights[i]}`));
    for (const [name, values] of sum) {
      const before = none.get(name)!;
      values.forEach((value, i) => {
        const expected =
          before[i] + weights.reduce((total, w, k) => total + w * (each[k].get(name)![i] - before[i]), 0);
        assert.ok(
          Math.abs(value - expected) < 2e-5 * (1 + Math.abs(expected)),
          `${name} ${value} ${expected}`,
        );
      });
    }
  }
});

test("the same folder twice counts twice", () => {
  const [none, once, twice] = [[], [`${folder}/a`], [`${folder}/a`, `${folder}/a`]].map(weightsOf);
  for (const [name, values] of twice)
    for (const [i, value] of values.entries()) {
      const before = none.get(name)![i];
      assert.ok(Math.abs(value - before - 2 * (once.get(name)![i] - before)) < 1e-5, name);
    }
});

test("a folder with = in its name is itself; a weight that is no number, or no folder, is told", () => {
  assert.equal(parseAdapter(`${folder}/a=-0.5`), { folder: `${folder}/a`, weight: -0.5 });
  for (const weight of ["", "x", "NaN", "Infinity", " "])
    assert.throws(
      () => parseAdapter(`${folder}/a=${weight}`),
      /--adapter: expected folder=weight with a finite number/,
    );
  assert.throws(
    () => parseAdapter(`${folder}/none`),
    /--adapter: there is no folder .*none; expected the path/,
  );
  assert.throws(
    () => loadBase({ base: "org/name" }, terminal),
    /--base: there is no folder org\/name; .*lowrank download org\/name/,
  );
  assert.not.ok(exists("org/name"));
});

test("a quantized base carries adapters", () => {
  const { adapted, model } = loadBase({ base, adapter: [`${folder}/a`], quantize: "nf4" }, terminal);
  const ids = [[1, 2, 3]];
  const far = withDevice("reference", () =>
    noGrad(() => {
      const y = (adapted as never as GPT2).forward(ids).toArray();
      const dense = (loadPretrained(base) as GPT2).forward(ids).toArray();
      return y.some((value, i) => value !== dense[i]) && y.every(Number.isFinite);
    }),
  );
  assert.ok(far);
  assert.match(String(model), /QuantizedLinear/);
});

setWarnings(() => {});
test.run();
