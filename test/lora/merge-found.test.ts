/**
 * @file mergeCheckpoint on files that transformers and PEFT wrote, which lie beside the checkout in ../shared/interop: the
 * merged checkpoint is what loadAdapter and toPlain give, bit for bit. Without those files the test is skipped.
 */

import { exists, LowrankError, listFolder, makeTemporaryFolder, removeFile, setDevice } from "lowrank/core";
import { loadAdapter, mergeCheckpoint } from "lowrank/lora";
import { type GPT2, loadPretrained, savePretrained } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

setDevice("cpu");
const test = suite("merging found adapters");
const root = "../shared/interop";
const bases = {
  "lowrank-llama": "llama",
  "b-": "bert",
  "r-": "roberta",
  "gu-": "gpt2u",
  "g-": "gpt2",
  "lt-": "llamat",
  "l-": "llama",
};

if (!exists(root)) {
  console.log(`skipped: merging files of other programs: ${root} is not there`);
  test.skip("files of other programs");
} else {
  const out = makeTemporaryFolder("lowrank-found-");
  for (const name of listFolder(`${root}/adapters`)) {
    test(name, () => {
      const base = `${root}/base/${Object.entries(bases).find(([start]) => name.startsWith(start))?.[1]}`;
      const adapter = `${root}/adapters/${name}`;
      let plain: GPT2;
      try {
        plain = loadAdapter(loadPretrained(base) as GPT2, adapter).toPlain();
      } catch (error) {
        assert.ok(error instanceof LowrankError);
        assert.throws(
          () => mergeCheckpoint({ base, adapters: [{ folder: adapter }], out: `${out}/${name}` }),
          (other: Error) => other.message === error.message,
        );
        assert.not.ok(exists(`${out}/${name}`));
        return;
      }
      savePretrained(plain, `${out}/${name}-plain`);
      mergeCheckpoint({ base, adapters: [{ folder: adapter }], out: `${out}/${name}`, step: 64 });
      const [a, b] = [loadPretrained(`${out}/${name}`), loadPretrained(`${out}/${name}-plain`)].map((m) =>
        m.stateDict(),
      );
      assert.equal([...a.keys()], [...b.keys()]);
      for (const [key, { data }] of b)
        for (let i = 0; i < data.length; i++)
          assert.ok(Object.is(a.get(key)!.data[i], data[i]), `${key}[${i}]`);
    });
  }
  test.after(() => removeFile(out));
}
test.run();
