/** @file `display(value)`, with which a notebook shows every result. */
import { inspect } from "node:util";
import { currentSession, currentTerminal, type MimeBundle, type Session } from "../notebook/session.ts";
import { Picture } from "../plots/picture.ts";
import { Folded } from "./fold.ts";
import { Table } from "./table.ts";

/** Deno's Jupyter kernel, if the notebook runs in it, cell by cell; it shows the rich forms. */
const kernel = (
  globalThis as { Deno?: { jupyter?: { display(bundle: MimeBundle, options: { raw: true }): unknown } } }
).Deno?.jupyter;

/** A value with richer forms than plain text: a table, a plot, Markdown. */
export interface Displayable {
  toMime(): MimeBundle;
}

/**
 * Shows `value` as an output of the current cell: as text in the terminal, and in its rich forms in the `.ipynb`.
 * `table`, `plot` and `md` make tables, plots and Markdown; any other value is shown as plain text.
 */
export function display(value: unknown): void {
  const session = currentSession();
  if (session) displayIn(session, session.current, value);
  else if (kernel) kernel.display(toMime(value), { raw: true });
  else currentTerminal().print(textOf(value, toMime(value)));
}

/** `display` as an output of the given cell; a picture also in its form for a card, if asked. */
export function displayIn(session: Session, cell: number, value: unknown, card = false): void {
  const output = card && value instanceof Picture ? value.toCard() : toMime(value);
  session.show(output, textOf(value, output), cell);
  const tables = value instanceof Folded ? value.tables : value instanceof Table ? [value] : [];
  for (const one of tables) finishTable(session, one);
  if (value instanceof Picture && value.heading.caption) {
    session.show(captionOf(value.heading.caption), value.heading.caption, cell);
  }
}

/** A caption as an output of its own, in italics, as GitHub needs it; the gallery puts it into the figure above. */
const captionOf = (text: string): MimeBundle => ({
  "text/markdown": `*${text.trim()}*`,
  "text/plain": text.trim(),
});

const textOf = (value: unknown, output: MimeBundle): string =>
  value instanceof Table || value instanceof Folded
    ? value.toText(currentTerminal().columns)
    : output["text/plain"];

/** Markdown that depends on results, md`The best rank is **${rank}**.`, without its common indentation. */
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

/** The value's own `toString` if it has one (a model prints its tree), otherwise Node's rendering. */
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
