/** @file The command line itself: options become typed values or a sentence; tables fit; help and mistakes are told. */

import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { createColors } from "picocolors";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { choice, integer, number } from "../../../lora/cli/flags.ts";
import { table } from "../../../lora/cli/terminal/table.ts";
import { lowrank } from "./run.ts";

const program = suite("command line");

program("without a command, and with --help, the help is printed and nothing fails", async () => {
  for (const argv of [[], ["--help"], ["-h"]]) {
    const { code, stdout, stderr } = await lowrank(argv);
    assert.is(code, 0);
    assert.match(stdout, /Usage: lowrank <command>/);
    assert.is(stderr, "");
  }
});

program("--version prints the package's version", async () => {
  const { code, stdout, stderr } = await lowrank(["--version"]);
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal([code, stdout, stderr], [0, `${version}\n`, ""]);
});

program("an unknown command or option is one line and exit code 1", async () => {
  for (const argv of [["trian"], ["--bsae"]]) {
    const { code, stdout, stderr } = await lowrank(argv);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, /^lowrank: unknown (command|option) '[^\n]+\n/);
  }
});

program("a number is the number that was typed, or a sentence with its bounds", () => {
  const rank = integer("r", "rank", { min: 1, max: 64 });
  fc.assert(
    fc.property(fc.integer({ min: -5, max: 80 }), (n) => {
      if (n >= 1 && n <= 64) assert.is(rank.parse(String(n), "--rank"), n);
      else
        assert.throws(
          () => rank.parse(String(n), "--rank"),
          (e: Error) => e.message === `--rank: expected a whole number from 1 up to 64; got "${n}"`,
        );
    }),
  );
  for (const wrong of ["abc", "", " ", "1.5", "1e400", "NaN", "Infinity", "0x", "1,000"])
    assert.throws(() => rank.parse(wrong, "--rank"), /--rank: expected a whole number/);
  const rate = number("lr", "rate", { min: 0, above: true });
  assert.is(rate.parse("3e-4", "--lr"), 3e-4);
  for (const wrong of ["0", "-1", "fast", "Infinity"])
    assert.throws(() => rate.parse(wrong, "--lr"), /--lr: expected a number above 0; got/);
});

program("a choice is one of its names, and a near miss is told", () => {
  const method = choice("method", ["lora", "dora", "adalora"]);
  assert.is(method.parse("dora", "--method"), "dora");
  assert.throws(
    () => method.parse("doora", "--method"),
    (e: Error) => e.message === '--method: expected one of lora, dora, adalora; got "doora" (nearest: dora)',
  );
});

program("a table is no wider than the terminal, and loses no text", () => {
  const plain = createColors(false);
  const word = fc
    .string({ unit: "grapheme-ascii", minLength: 1, maxLength: 30 })
    .filter((s) => /^\S+$/.test(s));
  const cell = fc.array(word, { maxLength: 6 }).map((words) => words.join(" "));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, fc.integer(), cell), { maxLength: 5 }),
      fc.integer({ min: 40, max: 120 }),
      (rows, width) => {
        const text = table(["name", "count", "what it is"], rows, width, plain);
        for (const line of text.split("\n")) assert.ok(line.length <= width, `${line.length}: ${line}`);
        const letters = (s: string): string => Array.from(s.replace(/\s/g, "")).sort().join("");
        const shown = rows.flatMap(([a, n, b]) => [a, n.toLocaleString("en-US"), b]).join("");
        assert.is(letters(text), letters(`namecountwhatitis${shown}`));
      },
    ),
  );
});

program.run();
