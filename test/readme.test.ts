/** @file The README: its example prints what its comment says, its picture is true, and it leads to every notebook. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pictures } from "../notebooks/pictures/gap-by-rank.ts";

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

readme("its picture is what `npm run pictures` draws from the committed notebook", async () => {
  for (const [path, svg] of Object.entries(await pictures())) {
    assert.is(readFileSync(path, "utf8"), svg, path);
    assert.match(text, `"${path}"`);
  }
});

readme("it leads to every notebook", () => {
  for (const file of readdirSync("notebooks").filter((name) => name.endsWith(".ipynb")))
    assert.match(text, `(notebooks/${file})`);
});

readme.run();
