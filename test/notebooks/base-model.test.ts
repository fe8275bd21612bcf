/** @file Base models: made once, also by several processes at once; kept where nothing relies on their being kept. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { taskDomain } from "../../notebooks/support/data/domain.ts";
import { anyStyle } from "../../notebooks/support/data/house-style.ts";
import { type Pretraining, pretrained } from "../../notebooks/support/experiments/base-model.ts";
import { withLock } from "../../notebooks/support/runner/lock.ts";

const bases = suite<{ folder: string }>("base models");

bases.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "bases-"));
});
bases.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const tiny: Pretraining = {
  domain: taskDomain(anyStyle, { time: 79, test: 4, random: random(1) }),
  size: { d: 8, layers: 1, heads: 2, time: 79 },
  steps: 2,
  rows: 2,
  lr: 1e-2,
  seed: 3,
};
const weights = (base: ReturnType<typeof pretrained>): number[][] =>
  base
    .copy()
    .parameters()
    .map((parameter) => [...parameter.toArray()]);

bases("the second request is answered from the cache, equal to the last bit", ({ folder }) => {
  const first = pretrained(tiny, folder);
  const second = pretrained(tiny, folder);
  assert.ok(first.seconds !== null);
  assert.is(second.seconds, null);
  assert.is(second.loss, first.loss);
  assert.equal(weights(second), weights(first));
});

bases("a missing or damaged cache entry is made again", ({ folder }) => {
  const cache = join(folder, "deep", "cache");
  const { loss } = pretrained(tiny, cache);
  rmSync(cache, { recursive: true });
  assert.ok(pretrained(tiny, cache).seconds !== null);

  const [model] = readdirSync(cache).filter((name) => statSync(join(cache, name)).isDirectory());
  truncateSync(join(cache, model, "model.safetensors"), 100);
  writeFileSync(join(cache, model, ".model.safetensors.1.0.tmp"), "half");
  const again = pretrained(tiny, cache);
  assert.ok(again.seconds !== null);
  assert.is(again.loss, loss);
  assert.equal(readdirSync(join(cache, model)), ["config.json", "model.safetensors"]);
});

bases("a cached model whose bytes, fields or files were changed is not used", ({ folder }) => {
  const { loss } = pretrained(tiny, folder);
  const [model] = readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory());
  const [config, weights, seal] = [
    join(folder, model, "config.json"),
    join(folder, model, "model.safetensors"),
    join(folder, `${model}.sha256`),
  ];
  const change = (path: string, edit: (bytes: Buffer) => Uint8Array | string): void =>
    writeFileSync(path, edit(readFileSync(path)));
  const changes: (() => void)[] = [
    () => change(weights, (bytes) => bytes.fill(0, bytes.length - 4)), // a value of the last tensor
    () => change(config, (bytes) => `${bytes}`.replace('"n_head": 2', '"n_head": 1')),
    () => writeFileSync(join(folder, model, "other.json"), "{}"),
    () => change(seal, () => "0".repeat(64)),
    () => rmSync(seal),
  ];
  for (const [i, make] of changes.entries()) {
    assert.is(pretrained(tiny, folder).seconds, null, `before change ${i}`);
    make();
    const again = pretrained(tiny, folder);
    assert.ok(again.seconds !== null, `change ${i}`);
    assert.is(again.loss, loss);
  }
});

/** A process that takes the lock, prints "held", keeps busy for so many milliseconds, and leaves `${file}.done`. */
function holder(file: string, milliseconds: number) {
  const program = `
    import { writeFileSync } from "node:fs";
    import { withLock } from ${JSON.stringify(new URL("../../notebooks/support/runner/lock.ts", import.meta.url).href)};
    withLock(${JSON.stringify(file)}, () => {
      process.stdout.write("held");
      for (const until = Date.now() + ${milliseconds}; Date.now() < until; );
      writeFileSync(${JSON.stringify(`${file}.done`)}, "");
    });`;
  return spawn(process.execPath, ["--import", "tsx", "--input-type", "module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

bases("a process waits for a lock held by another", async ({ folder }) => {
  const file = join(folder, "x.lock");
  const other = holder(file, 1000);
  await once(other.stdout, "data");
  assert.ok(
    withLock(file, () => existsSync(`${file}.done`)),
    "two at a time",
  );
});

bases("a lock is released when its holder ends, in any way", async ({ folder }) => {
  const file = join(folder, "x.lock");
  const other = holder(file, 60_000);
  await once(other.stdout, "data");
  other.kill("SIGKILL");
  await once(other, "exit");
  withLock(file, () => assert.not.ok(existsSync(`${file}.done`)));
  assert.throws(
    () =>
      withLock(file, () => {
        throw new RangeError("inside");
      }),
    "inside",
  );
  withLock(file, () => {});
});

bases.run();
