/** @file `display(value)`: the one way in which a notebook shows something. */
import { inspect } from "node:util";
import { currentSession, currentTerminal, type MimeBundle, type Session } from "../notebook/session.ts";
import { Table } from "./table.ts";

/** Deno's Jupyter kernel, where there is one: a notebook is then executed cell by cell and shown in its rich forms. */
const kernel = (
  globalThis as { Deno?: { jupyter?: { display(bundle: MimeBundle, options: { raw: true }): unknown } } }
).Deno?.jupyter;

/** Something with more forms than plain text: a table, a plot, Markdown. */
export interface Displayable {
  toMime(): MimeBundle;
}

/**
 * Shows `value` as an output of the current cell: in the terminal as text, in the `.ipynb` also in its rich
 * forms. Tables, plots and Markdown come from `table`, `plot` and `md`; anything else is shown as plain text.
 */
export function display(value: unknown): void {
  const session = currentSession();
  const output = toMime(value);
  const text = value instanceof Table ? value.toText(currentTerminal().columns) : output["text/plain"];
  if (session) session.show(output, text);
  else if (kernel) kernel.display(output, { raw: true });
  else currentTerminal().print(text);
  if (session && value instanceof Table) finishTable(session, value);
}

/** Prose that depends on results: md`The best rank is **${rank}**.` Common indentation is removed. */
export function md(strings: TemplateStringsArray, ...values: readonly unknown[]): Displayable {
  const text = dedent(String.raw({ raw: strings }, ...values.map(String)));
  return { toMime: () => ({ "text/markdown": text, "text/plain": text }) };
}

function toMime(value: unknown): MimeBundle {
  if (isDisplayable(value)) return value.toMime();
  return { "text/plain": typeof value === "string" ? value : describe(value) };
}

function isDisplayable(value: unknown): value is Displayable {
  return (
    typeof value === "object" && value !== null && "toMime" in value && typeof value.toMime === "function"
  );
}

/** What the value says of itself (a model prints its tree), else Node's rendering of plain data. */
function describe(value: unknown): string {
  const plain = typeof value !== "object" || value === null || value.toString === Object.prototype.toString;
  const listed = Array.isArray(value) || ArrayBuffer.isView(value);
  return plain || listed ? inspect(value, { depth: 4, breakLength: 100 }) : String(value);
}

function finishTable(session: Session, { grid, verdicts }: Table): void {
  session.tables++;
  session.verdicts.push(...verdicts);
  const title = grid.title || `table ${session.tables}`;
  session.terminal.status(`✓ ${session.name}: ${title} (${session.seconds.toFixed(1)} s)`);
}

function dedent(text: string): string {
  const lines = text.replace(/^\n/, "").trimEnd().split("\n");
  const indents = lines.filter((line) => line.trim() !== "").map((line) => line.search(/\S/));
  const common = Math.min(...indents);
  return Number.isFinite(common) ? lines.map((line) => line.slice(common)).join("\n") : "";
}
