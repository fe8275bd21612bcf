/** @file `lowrank quantize` as it is typed, and a quantized folder as the base of other commands. */

import { exists, listFolder, makeTemporaryFolder, removeFile } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tinyFolder } from "../../support/tiny-folder.ts";
import { lowrank } from "./run.ts";

const test = suite("lowrank quantize");
const root = makeTemporaryFolder("lowrank-cli-quantize-");
const base = tinyFolder(`${root}/base`, { width: 32 });

test("it writes a folder that generate and eval take as --base", async () => {
  const out = `${root}/nf4`;
  const { code, json } = await lowrank([
    "quantize",
    "--base",
    base,
    "--out",
    out,
    "--double-quant",
    "--json",
  ]);
  assert.is(code, 0);
  const { bitsPerParameter, relative, layers } = json<{
    bitsPerParameter: number;
    relative: number;
    layers: unknown[];
  }>();
  assert.ok(
    bitsPerParameter > 4 &&
      bitsPerParameter < 4.6 &&
      relative > 0.01 &&
      relative < 0.2 &&
      layers.length === 14,
  );
  const said = await lowrank(["generate", "--base", out, "--prompt", "ab", "--max-tokens", "3"]);
  assert.is(said.code, 0, said.stderr);
  const again = await lowrank(["quantize", "--base", base, "--out", out]);
  assert.is(again.code, 1);
  assert.match(again.stderr, /^lowrank quantize: .*expected a new or empty folder/);
  const over = await lowrank(["quantize", "--base", base, "--out", out, "--format", "int8", "--overwrite"]);
  assert.is(over.code, 0, over.stderr);
  assert.match(over.stdout, /all together .*8\.5/);
});

test("mistakes are one line, exit code 1, and nothing written", async () => {
  const out = `${root}/never`;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--base", `${root}/nope`], /there is no folder/],
    [["--base", base, "--format", "nf5"], /expected one of nf4, fp4/],
    [["--base", base, "--block-size", "48"], /blockSize to be a power of two/],
    [["--base", base, "--block-size", "0"], /power of two|from/],
    [["--base", base, "--format", "int8-rows", "--double-quant"], /int8-rows has one scale for each row/],
    [["--base", base, "--skip", "q_prj"], /none is q_prj/],
  ];
  const before = listFolder(root);
  for (const [argv, message] of cases) {
    const { code, stderr, stdout } = await lowrank(["quantize", "--out", out, ...argv]);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, message);
    assert.is(stderr.trim().split("\n").length, 1, stderr);
    assert.equal(listFolder(root), before);
  }
  assert.not.ok(exists(out));
});

test.after(() => removeFile(root));
test.run();
