/**
 * @file `card`: a statement that people repeat about LoRA, the number it depends on, and what was found. The gallery puts
 * the cards of a page on its first page.
 */

import type { Judgement } from "../experiments/verdicts.ts";
import type { MimeBundle } from "../notebook/session.ts";
import { verdictOf } from "./replication.ts";
import { escapeHtml, Table, table } from "./table.ts";

export interface Statement {
  /** What people say, as one sentence: "r = 8 is enough." */
  readonly statement: string;
  /** The number of this run that decides it, with its unit: "r = 4", "0.976 of the gap". */
  readonly number: string;
  /** What that number is: "the rank from which the loss falls no more". */
  readonly depends: string;
  /** The judgement on paired seeds, or a boolean for an exact statement. */
  readonly verdict: Judgement | boolean;
  /** When it is true and when not, in a sentence. */
  readonly answer?: string;
  /** The page that shows it, "lora". @default the page of the card */
  readonly page?: string;
}

/**
 * @example display(card({ statement: "Rank 8 is enough.", depends: "the rank from which the loss falls no more",
 *   number: "4", verdict: below(elbows, 8), answer: "For a style; facts need as many numbers as bits.", page: "lora" }))
 */
export function card(statement: Statement): Card {
  return new Card(statement);
}

/** A table of one row, which the gallery lays out as a card. */
export class Card extends Table {
  readonly statement: Statement;

  constructor(statement: Statement) {
    const { page, verdict: judgement, ...texts } = statement;
    const verdict = verdictOf(judgement);
    const row = { statement: texts.statement, number: texts.number, verdict, "depends on": texts.depends };
    const { grid } = table([{ ...row, ...(texts.answer ? { answer: texts.answer } : {}) }]);
    super({ ...grid, title: texts.statement }, [verdict]);
    this.statement = statement;
  }

  override toText(): string {
    const { statement, number, depends, verdict, answer } = this.statement;
    const lines = [`“${statement}”`, `${number}: ${depends}`, answer ?? "", `→ ${verdictOf(verdict)}`];
    return lines.filter((line) => line !== "").join("\n  ");
  }

  override toString(): string {
    return this.toText();
  }

  override toMime(): MimeBundle {
    const { header, rows } = this.grid;
    const cells = rows[0].map((text, j) => `<td data-part="${header[j]}">${escapeHtml(text)}</td>`).join("");
    const heads = header.map((label) => `<th>${escapeHtml(label)}</th>`).join("");
    const page = this.statement.page ? ` data-page="${escapeHtml(this.statement.page)}"` : "";
    const html = `<table class="card"${page}>
<caption><b>${escapeHtml(this.grid.title)}</b></caption>
<thead><tr>${heads}</tr></thead>
<tbody>
<tr>${cells}</tr>
</tbody>
</table>`;
    return { "text/html": html, "text/plain": this.toText() };
  }
}
