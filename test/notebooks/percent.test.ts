import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Cell, markCells, parsePercent } from "../../notebooks/support/notebook/percent.ts";
import { NotebookError } from "../../notebooks/support/terminal/errors.ts";

const percent = suite("percent format");

/** Lines that neither begin a cell nor are blank at the ends, so that a cell's source is what was written. */
const line = fc.stringMatching(/^[a-z(=;"'`/ ]{0,12}[a-z;]$/);
const body = fc.array(line, { maxLength: 4 }).map((lines) => lines.join("\n"));
const cell = fc.record({
  type: fc.constantFrom("markdown" as const, "code" as const),
  title: fc.stringMatching(/^[A-Za-z]{0,8}$/),
  source: body,
});

function write(cells: readonly Omit<Cell, "line">[]): string {
  return cells
    .map(({ type, title, source }) => {
      const prose = source === "" ? "" : source.replace(/^/gm, "// ");
      const marker = `// %% ${title}${type === "markdown" ? " [markdown]" : ""}`;
      return `${marker}\n\n${type === "markdown" ? prose : source}\n\n`;
    })
    .join("");
}

percent("parsing returns the written cells", () => {
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 5 }), (cells) => {
      const parsed = parsePercent(write(cells)).map(({ type, title, source }) => ({ type, title, source }));
      assert.equal(
        parsed,
        cells.map(({ type, title, source }) => ({ title, type, source: trim(type, source) })),
      );
    }),
  );
});

/** Markdown loses the blanks at the end of a line; both lose those at the end of the cell. */
function trim(type: Cell["type"], source: string): string {
  return type === "markdown" ? source.replace(/[ \t]+$/gm, "") : source;
}

percent("marking the cells keeps every line's number and text", () => {
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 5 }), (cells) => {
      const text = write(cells);
      const before = text.split("\n");
      const after = markCells(text, "file:///session.ts").split("\n");
      assert.is(after.length, before.length);
      let marked = 0;
      after.forEach((marking, i) => {
        const isMarker = before[i].startsWith("// %%");
        assert.ok(isMarker ? marking.endsWith(before[i]) : marking === before[i]);
        if (isMarker) assert.ok(marking.includes(`$cell(${marked++});`));
      });
    }),
  );
});

percent("a cell has the number of its line", () => {
  const cells = parsePercent("// %% [markdown] Title\n// text\n\n// %%\nlet x;\n//%% short\n");
  assert.equal(
    cells.map(({ type, title, line }) => [type, title, line]),
    [
      ["markdown", "Title", 1],
      ["code", "", 4],
      ["code", "short", 6],
    ],
  );
});

percent("text in another format is refused, with the line", () => {
  const refused = (text: string, message: RegExp) =>
    assert.throws(
      () => parsePercent(text, "nb.ts"),
      (error: Error) => error instanceof NotebookError && message.test(error.message),
    );
  refused("", /no cell found/);
  refused("\nconst x = 1;\n// %%\n", /nb\.ts:2: text before the first cell/);
  refused("// %% [markdown]\n// # Title\nconst x = 1;\n", /nb\.ts:3: a markdown cell holds only/);
});

percent.run();
