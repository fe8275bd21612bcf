/** @file A notebook's entry in the gallery: its content as HTML, and the text of its card on the index. */
import type { Verdict } from "../notebook/session.ts";
import { type Html, html } from "./html.ts";
import type { Cell, Notebook } from "./notebook.ts";
import { isPicture, outputsHtml, statementsIn, thumbnail, verdictsIn } from "./output.ts";
import type { Heading, Renderer } from "./prose.ts";

export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly title: string;
  /** Authors and paper, if the notebook begins with them. */
  readonly byline: Html | null;
  /** The first paragraph after the byline: what the page is about. */
  readonly summary: Html;
  readonly verdicts: readonly Verdict[];
  /** The page's statements that people make about LoRA, short, for the index. */
  readonly statements: readonly Html[];
  /** The run that made it, from the runner's record: setting, device, time. */
  readonly made: string;
  /** The plot of what was found, or the first one, for the size of a card. */
  readonly thumbnail: Html | null;
  readonly headings: readonly Heading[];
  /** Everything below the title and the byline. */
  readonly body: Html;
}

export function createEntry({ name, path, cells, metadata }: Notebook, renderer: Renderer): Entry {
  const { title, byline, rest } = opening(cells[0]);
  const taken = new Set<string>();
  const headings: Heading[] = [];
  const prose = (source: string): Html => {
    const { html: text, headings: found } = renderer.markdown(source, taken);
    headings.push(...found);
    return html`<section class="prose">${text}</section>`;
  };
  const first = rest !== "" && prose(rest);
  const found = cells.find(isOpening);
  const box = found && foundBox(found, renderer);
  if (box) headings.push({ level: 2, id: FOUND, title: html`What was found` });
  const body = html`${first}
${box}
${cells
  .slice(title ? 1 : 0)
  .map((cell) =>
    cell.type === "markdown"
      ? prose(cell.source)
      : codeCell(cell === found ? { ...cell, title: "", outputs: [] } : cell, renderer),
  )}`;
  const plots = [...(found?.outputs ?? []), ...cells.flatMap(({ outputs }) => outputs)].filter(isPicture);
  return {
    name,
    path,
    title: title || name,
    byline: byline === "" ? null : renderer.inline(byline),
    summary: renderer.inline(rest.split(/\n\s*\n/)[0]),
    verdicts: verdictsIn(body),
    statements: cells.flatMap(({ outputs }) => statementsIn(outputs, name)),
    made: madeBy(metadata.lowrank),
    thumbnail: plots.length > 0 ? thumbnail(plots[0]) : null,
    headings,
    body,
  };
}

const FOUND = "what-was-found";

/** The cell in which `opening()` shows what was found. */
const isOpening = ({ source, outputs }: Cell): boolean => /\bopening\(\)/.test(source) && outputs.length > 0;

function foundBox({ outputs }: Cell, renderer: Renderer): Html {
  return html`<section class="found" aria-labelledby="${FOUND}"><h2 id="${FOUND}">What was found</h2>
${outputsHtml(outputs, renderer)}
</section>
`;
}

/** "full setting · cpu (WebAssembly SIMD, 2 threads) · 2026-01-31 · 93.5 s": the available fields of the runner's record. */
function madeBy(record: unknown): string {
  const { setting, changed, device, machine, date, seconds } = (record ?? {}) as Record<string, unknown>;
  const parts = [setting && `${setting} setting`, changed, device, machine, date, seconds && `${seconds} s`];
  return parts.filter(Boolean).join(" · ");
}

const PAPER = /\]\(https:\/\/(?:arxiv\.org\/abs|doi\.org)\//;

/** The title, the byline (if the first paragraph links to a paper), and the rest of the first cell. */
function opening(cell: Cell | undefined): { title: string; byline: string; rest: string } {
  const [heading, first = "", ...others] = cell?.type === "markdown" ? cell.source.split(/\n\s*\n/) : [""];
  const title = /^# (.*)$/.exec(heading)?.[1];
  if (title === undefined) return { title: "", byline: "", rest: "" };
  const isByline = PAPER.test(first);
  return {
    title,
    byline: isByline ? first : "",
    rest: (isByline ? others : [first, ...others]).join("\n\n"),
  };
}

/** A code cell that can be folded, with imports of some lines folded already, and its outputs below. */
function codeCell({ title, source, outputs }: Cell, renderer: Renderer): Html {
  const [, imports, rest] = /^((?:import [^;]*;\s*)*)(.*)$/s.exec(source)!;
  const long = imports.trimEnd().split("\n").length > 2;
  return html`<section class="cell">
<details class="code" open><summary>${title || "Code"}</summary>
${long && html`<details class="imports"><summary>Imports</summary>${renderer.code(imports.trimEnd())}</details>`}
${renderer.code(long ? rest : source)}
</details>
${outputsHtml(outputs, renderer)}
</section>
`;
}
