import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type ExecuteOptions,
  type Execution,
  executeNotebook,
} from "../../notebooks/support/notebook/execute.ts";
import { toIpynb } from "../../notebooks/support/notebook/ipynb.ts";
import { SVG } from "../../notebooks/support/plots/picture.ts";
import { canDrawText } from "../../notebooks/support/plots/plot-image.ts";
import { display } from "../../notebooks/support/show/display.ts";
import { silentTerminal } from "../../notebooks/support/terminal/terminal.ts";
import { joined, violations } from "./nbformat.ts";

const execution = suite("execution");

const fixture = (name: string) => fileURLToPath(new URL(`./fixture/${name}.ts`, import.meta.url));
const execute = (name: string, options: ExecuteOptions = {}) =>
  executeNotebook(fixture(name), { terminal: silentTerminal, ...options });

/** The titles or texts that each cell displayed, first lines only. */
function shown({ cells, outputs }: Execution): [string, string[]][] {
  return cells.map(({ title, source }, i) => [
    title || source.split("\n")[0],
    outputs[i].map((output) => output["text/plain"].split("\n")[0]),
  ]);
}

execution(
  "the module hook and all that it imports are read by Node alone, without the names of tsconfig.json",
  () => {
    const seen = new Set<string>();
    const walk = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, from] of readFileSync(file, "utf8").matchAll(
        /^(?:(?:import|export)\b[^;()"']*?\bfrom|import) ["']([^"']+)["']/gm,
      )) {
        assert.not.match(from, /^(lowrank|#)/, `${file} imports ${from}`);
        if (from.startsWith(".")) walk(join(dirname(file), from));
      }
    };
    walk("notebooks/support/notebook/cell-loader.ts");
    assert.ok(seen.size >= 3);
  },
);

let first: Execution;

execution(
  "each output belongs to the cell that made it, across awaits and through helpers of other cells",
  async () => {
    first = await execute("smoke");
    assert.equal(shown(first), [
      ["# A smoke notebook", []],
      ["Settings", ["Settings"]],
      ["## Tables", []],
      ['import { random } from "lowrank/core";', []],
      ["A table and a plain value, shown by functions that other cells defined.", []],
      ["await Promise.resolve();", ["Squares", "Float32Array(2) [ 1, 0 ]"]],
      ["Plots", ["Loss against rank", "Memory", "Subspace similarity"]],
      ["Claims", ["What the paper says, and what is seen here", "The best rank was **4**."]],
    ]);
    assert.is(first.tables, 3);
    assert.equal(first.verdicts, ["contradicted", "supported"]);
  },
);

execution("changed settings and the long setting reach the notebook", async () => {
  const plain = (run: Execution) =>
    run.outputs
      .flat()
      .map((output) => output["text/plain"])
      .join("\n");
  const full = plain(await execute("smoke", { full: true, overrides: new Map([["rank", "2"]]), seeds: "7" }));
  assert.match(full, /rank +2 /);
  assert.match(full, /seeds +7 /);
  assert.match(full, /ranks +1, 2, 4, 8, 16 /);
});

execution("the .ipynb follows nbformat 4.5 and holds every form of every output", () => {
  const text = toIpynb(first);
  assert.equal(violations(text), []);
  const { cells } = JSON.parse(text);
  assert.equal(
    cells.map((cell: { cell_type: string }) => cell.cell_type),
    ["markdown", "code", "markdown", "code", "markdown", "code", "code", "code"],
  );
  assert.is(joined(cells[0].source), first.cells[0].source);
  const forms = (cell: number) =>
    cells[cell].outputs.map((output: { data: object }) => Object.keys(output.data));
  assert.equal(forms(1), [["text/html", "text/markdown", "text/plain"]]);
  const plots = canDrawText() ? [SVG, "image/png", "text/plain"] : ["image/svg+xml", "text/plain"];
  for (const plot of forms(6)) assert.equal(plot, plots);
  if (canDrawText()) assert.equal(cells[6].outputs[0].metadata, { "image/png": { width: 640 } });
  assert.equal(forms(7)[1], ["text/markdown", "text/plain"]);
});

execution("a second run of the notebook gives equal bytes", async () => {
  assert.is(toIpynb(await execute("smoke")), toIpynb(first));
});

execution("a cell keeps its id when another is inserted before it, and equal cells get different ids", () => {
  const cell = { type: "code", title: "", source: "f();", line: 1 } as const;
  const ids = (cells: (typeof cell)[]): string[] =>
    JSON.parse(toIpynb({ cells, outputs: cells.map(() => []) })).cells.map((c: { id: string }) => c.id);
  const other = { ...cell, source: "g();" } as unknown as typeof cell;
  assert.is(ids([other, cell])[1], ids([cell])[0]);
  assert.is(new Set(ids([cell, cell, cell])).size, 3);
});

execution("a stack trace points to the notebook's own line and column", async () => {
  const error = await execute("broken").then(
    () => null,
    (reason: Error) => reason,
  );
  const lines = (await readFile(fixture("broken"), "utf8")).split("\n");
  const at = (code: string) => {
    const line = lines.findIndex((text) => text.includes(code));
    return `${fixture("broken")}:${line + 1}:${lines[line].indexOf(code) + 1}`;
  };
  assert.ok(error?.stack?.includes(`at fail (${at("new Error(reason)")})`), error?.stack);
  assert.ok(error?.stack?.includes(at('fail("on purpose")')), error?.stack);
});

execution("a marker inside a string or a block is refused", async () => {
  const error = await execute("nested").then(
    () => null,
    (reason: Error) => reason,
  );
  assert.is(error?.message, "nested: the cell at line 6 is not at the top level of the file");
});

execution("settings given to a notebook without settings are refused", async () => {
  const error = await execute("broken", { overrides: new Map([["rank", "2"]]) }).catch(
    (reason: Error) => reason,
  );
  assert.instance(error, Error);
});

execution("after a failure the next notebook runs; without a runner, display prints", async () => {
  assert.is((await execute("smoke")).tables, 3);
  const written: string[] = [];
  const { write } = process.stdout;
  process.stdout.write = (text) => written.push(String(text)) > 0;
  try {
    display({ a: 1 });
  } finally {
    process.stdout.write = write;
  }
  assert.equal(written, ["{ a: 1 }\n\n"]);
});

execution.run();
