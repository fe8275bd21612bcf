/** @file The README's example runs as printed and prints what its comment says; its commands and files exist. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const readme = suite("README");
const text = readFileSync("README.md", "utf8");

readme("the first example prints what its comment says, on every device that is here", () => {
  const [, example] = /```ts\n([\s\S]*?)```/.exec(text) as RegExpExecArray;
  const [, least, most] = /^console\.log\(.*\); \/\/ (\S+) to (\S+), by device/m.exec(
    example,
  ) as RegExpExecArray;
  mkdirSync(".cache", { recursive: true });
  const file = `.cache/readme-example-${process.pid}.ts`;
  writeFileSync(file, example);
  try {
    for (const device of ["auto", "cpu", "reference", "gpu:webasm", "gpu:cpu"]) {
      const output = execFileSync(process.execPath, ["--import", "tsx", file], {
        encoding: "utf8",
        env: { ...process.env, LOWRANK_DEVICE: device },
      });
      assert.match(output, /^\de-\d\n$/, device);
      assert.ok(Number(output) >= Number(least) && Number(output) <= Number(most), `${device}: ${output}`);
    }
  } finally {
    rmSync(file);
  }
});

readme("every npm script and every file it names is there", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const [, name] of text.matchAll(/npm run ([\w:-]+)/g)) assert.ok(scripts[name], `npm run ${name}`);
  for (const [, path] of text.matchAll(/\]\(((?!http)[^)]+)\)/g)) assert.ok(existsSync(path), path);
});

readme.run();
