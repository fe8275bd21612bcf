/** @file Processes killed while they save: what is there is the old or the new, and the next save leaves nothing else. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LowrankError } from "lowrank/core";
import { Pager } from "lowrank/quant";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failingAt, killedAt, quickFolder } from "../support/faults.ts";
import { loadRun, savers, train } from "./savers.ts";

const test = suite<{ folder: string }>("killed saves", { folder: "" });

test.before.each((context) => {
  context.folder = quickFolder();
});
test.after.each(({ folder }) => fs.rmSync(folder, { recursive: true }));

for (const [name, { save, load, files }] of Object.entries(savers)) {
  test(`${name}: killed before any change of the disk`, ({ folder: root }) => {
    const folder = join(root, "new");
    fs.mkdirSync(folder);
    const whole = [0, 1].map((state) => {
      save(folder, state);
      return load(folder);
    });
    assert.is.not(whole[0], whole[1]);
    const seen: number[] = [];
    for (let k = 0, cut = true; cut; k++) {
      save(folder, 0);
      cut = killedAt(k, () => save(folder, 1));
      seen.push(whole.indexOf(load(folder)));
      save(folder, 1); // over what the kill left
      assert.equal(fs.readdirSync(folder), files);
    }
    assert.match(seen.join(""), /^0+1+$/);
  });

  test(`${name}: killed where there was nothing; refused by the disk`, ({ folder: root }) => {
    const folder = join(root, "new");
    fs.mkdirSync(folder);
    save(folder, 1);
    const whole = load(folder);
    save(folder, 0);
    const old = load(folder);
    for (let k = 0, cut = true; cut; k += 3) {
      fs.rmSync(folder, { recursive: true });
      fs.mkdirSync(folder);
      cut = killedAt(k, () => save(folder, 1));
      assert.ok([null, whole].includes(attempt(() => load(folder))));
      save(folder, 0);
      const error = refusal(() => failingAt(k, "ENOSPC", () => save(folder, 1)));
      if (error) assert.match(error.message, /cannot (write|make|read) .*ENOSPC/);
      assert.is(load(folder), error ? old : whole);
      save(folder, 1);
      assert.equal(fs.readdirSync(folder), files);
    }
  });
}

test("fit: killed anywhere, the run goes on to the very end of the uninterrupted one", ({ folder }) => {
  const whole = [1, 2, 3].map((steps) => {
    const one = fs.mkdtempSync(join(folder, "whole-"));
    return train(one, steps);
  });
  for (let k = 0, cut = true; cut; k += 5) {
    const one = fs.mkdtempSync(join(folder, "cut-"));
    cut = killedAt(k, () => train(one, 3));
    assert.ok([null, ...whole].includes(loadRun(one)));
    assert.is(train(one, 3), whole[2]);
    assert.equal(fs.readdirSync(one), ["run.safetensors"]);
  }
});

test("SIGKILL at any moment: each folder loads as one of its states, the next save takes the rest away", async ({
  folder,
}) => {
  const program = fileURLToPath(new URL("saver-loop.ts", import.meta.url));
  const begin = async (i: number): Promise<[string, ChildProcess]> => {
    const own = join(folder, `${i}`);
    fs.mkdirSync(own);
    const child = spawn(process.execPath, ["--import", "tsx", program, own], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [first] = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
    assert.match(String(first), /^saving/);
    return [own, child];
  };
  const children = await Promise.all([0, 1].map(begin));
  for (const [i, [own, child]] of children.entries()) {
    await setTimeout(7 * i + 40 * Math.random());
    child.kill("SIGKILL");
    await once(child, "exit");
    const runs = [1, 2, 3].map((steps) => train(fs.mkdtempSync(join(folder, "whole-")), steps));
    assert.ok(runs.includes(loadRun(join(own, "fit"))));
    assert.is(train(join(own, "fit"), 3), runs[2]);
    for (const [name, { save, load, files }] of Object.entries(savers)) {
      const place = join(own, name);
      const found = load(place);
      const whole = [0, 1].map((state) => {
        save(place, state);
        assert.equal(fs.readdirSync(place), files, name);
        return load(place);
      });
      assert.ok(whole.includes(found), `${name}: neither the one nor the other`);
    }
    assert.ok(fs.readdirSync(own).some((name) => name.startsWith("lowrank-pages")));
    new Pager({ budget: 64, pageBytes: 64, folder: own }).close();
    assert.not(fs.readdirSync(own).some((name) => name.startsWith("lowrank-pages")));
  }
});

function refusal(action: () => unknown): LowrankError | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof LowrankError) return error;
    throw error;
  }
}

/** The result, or null for a refusal. */
function attempt<T>(action: () => T): T | null {
  let result: T | null = null;
  refusal(() => (result = action()));
  return result;
}

test.run();
