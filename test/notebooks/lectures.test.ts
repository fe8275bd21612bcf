/**
 * @file What a page must be: short, in short cells, with what was found at its top, its snippets lines of the library,
 * its settings safe from zero.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isOf } from "../../notebooks/support/check/committed.ts";
import { readNotebook } from "../../notebooks/support/gallery/notebook.ts";
import { executeNotebook } from "../../notebooks/support/notebook/execute.ts";
import { readersNotebooks } from "../../notebooks/support/notebook/folder.ts";
import { parsePercent } from "../../notebooks/support/notebook/percent.ts";
import { libraryLines } from "../../notebooks/support/show/source.ts";
import { NotebookError } from "../../notebooks/support/terminal/errors.ts";
import { silentTerminal } from "../../notebooks/support/terminal/terminal.ts";

const lectures = suite("lectures");

const FOLDER = fileURLToPath(new URL("../../notebooks/", import.meta.url));
const sourceOf = (name: string): string => readFileSync(join(FOLDER, `${name}.ts`), "utf8");
const pages = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3));

const [LINES, CELL, BYTES] = [500, 25, 1.5e6];

for (const name of pages) {
  lectures(`${name}: at most ${LINES} lines, and ${CELL} in a code cell`, () => {
    const source = sourceOf(name);
    assert.ok(source.trimEnd().split("\n").length <= LINES, `${source.split("\n").length} lines`);
    for (const { type, title, source: code, line } of parsePercent(source, name)) {
      const lines = code.split("\n").length;
      assert.ok(
        type === "markdown" || lines <= CELL,
        `${title || "the cell"} at line ${line}: ${lines} lines`,
      );
    }
  });

  lectures(`${name}: begins with its title and what was found`, () => {
    const [first, second] = parsePercent(sourceOf(name), name);
    assert.is(first.type, "markdown");
    assert.match(first.source, /^# /);
    assert.is(second.type, "code");
    assert.match(second.source, /= (\w+\.)?opening\(\);/);
    assert.match(sourceOf(name), /\bfound\.show\(/);
  });

  lectures(`${name}: its file with outputs is at most 1.5 MB`, async () => {
    const path = join(FOLDER, `${name}.ipynb`);
    const committed = await readNotebook(path).catch(() => null);
    // One of an older source is about to be replaced; notebooks:check names it.
    if (committed === null || !(await isOf(committed, join(FOLDER, `${name}.ts`)))) return;
    assert.ok(statSync(path).size <= BYTES, `${statSync(path).size} bytes`);
  });

  for (const setting of ["steps", "rows", "seeds", "rank"])
    if (new RegExp(`^  ${setting}: \\{`, "m").test(`${sourceOf(name)}${settingsOf(name)}`))
      lectures(`${name}: ${setting}=0 is refused in one sentence`, async () => {
        const overrides = new Map([[setting, "0"]]);
        try {
          await executeNotebook(join(FOLDER, `${name}.ts`), { overrides, terminal: silentTerminal });
        } catch (error) {
          assert.instance(error, NotebookError, String((error as Error).stack));
          assert.match(
            (error as Error).message,
            new RegExp(`^setting ${setting}: expected .* of at least [1-9]\\d*; got "0"$`),
          );
          return;
        }
        assert.unreachable();
      });
}

/** Settings that a page takes from a file beside its data. */
function settingsOf(name: string): string {
  try {
    return readFileSync(join(FOLDER, "papers", name, "choices.ts"), "utf8");
  } catch {
    return "";
  }
}

const sources = [
  ...pages.map((name) => join(FOLDER, `${name}.ts`)),
  ...readdirSync(join(FOLDER, "papers"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(FOLDER, "papers", file)),
];
/** A text in quotes, and a file of the library with one or two texts after it: the arguments of `libraryLines`. */
const TEXT = /"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|`((?:\\.|[^`\\$])*)`/.source;
const LINES_OF = `"((?:core|autograd|nn|lora|quant)/[\\w./-]+\\.ts)"\\s*,\\s*(?:${TEXT})(?:\\s*,\\s*(?:${TEXT}))?`;
const unquoted = (text: string): string => text.replace(/\\(.)/g, "$1");

lectures("every snippet that is called the library's is there", () => {
  for (const path of sources) {
    const source = readFileSync(path, "utf8");
    const snippets = [...source.matchAll(new RegExp(LINES_OF, "g"))];
    if (!/\blibraryLines\(/.test(source)) continue;
    assert.ok(
      snippets.length > 0,
      `${path}: expected a file of the library and texts as arguments of libraryLines`,
    );
    for (const [, ...texts] of snippets) {
      const [file, first, last] = texts.filter((text) => text !== undefined).map(unquoted);
      libraryLines(file, first, last);
    }
  }
});

lectures("a page that speaks of a reader's text or model takes it", async () => {
  const taking = await readersNotebooks(FOLDER, pages);
  for (const name of pages)
    if (/--(text|base) [A-Za-z]/.test(sourceOf(name))) assert.ok(taking.includes(name), name);
});

lectures.run();
