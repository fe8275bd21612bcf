/**
 * @file `card`: a statement that people repeat about LoRA, the number it depends on, and what was found. The gallery puts
 * the cards of a page on its first page.
 */

import type { Judgement } from "../experiments/verdicts.ts";
import type { MimeBundle } from "../notebook/session.ts";
import { verdictOf } from "./replication.ts";
import { escapeHtml, Table, table } from "./table.ts";

export interface Statement {
  /** What people say, as a sentence: "Rank 8 is enough." */
  readonly said: string;
  /** The number that decides it, with its unit: "9,285 ×". */
  readonly number: string;
  /** What that number is of: "GPT-3 175B, r = 4 on q and v". */
  readonly of: string;
  /** What the number depends on, in a sentence; where the statement is not true in general, when it is. */
  readonly depends: string;
  /** A boolean where arithmetic or a law decides, and a judgement where measurements do. */
  readonly verdict: Judgement | boolean;
  /** The page that says more, by its name: "lora". */
  readonly more?: string;
}

/**
 * @example display(card({ said: "Rank 8 is enough.", number: "4", of: "the rank from which the loss falls no more",
 *   depends: "For a style; facts need as many numbers as bits.", verdict: below(elbows, 8), more: "lora" }))
 */
export function card(statement: Statement): Card {
  return new Card(statement);
}

/** A table of one row, which the gallery lays out as a card. */
export class Card extends Table {
  readonly statement: Statement;

  constructor(statement: Statement) {
    const verdict = verdictOf(statement.verdict);
    const { said, number, of, depends } = statement;
    const { grid } = table([{ said, number, of, verdict, depends }]);
    super({ ...grid, title: said }, [verdict]);
    this.statement = statement;
  }

  override toText(): string {
    const { said, number, of, depends, verdict } = this.statement;
    return [`“${said}”`, `${number}: ${of}`, depends, `→ ${verdictOf(verdict)}`].join("\n  ");
  }

  override toString(): string {
    return this.toText();
  }

  override toMime(): MimeBundle {
    const { header, rows } = this.grid;
    const cells = rows[0].map((text, j) => `<td data-part="${header[j]}">${escapeHtml(text)}</td>`).join("");
    const heads = header.map((label) => `<th>${escapeHtml(label)}</th>`).join("");
    const { more } = this.statement;
    const page = more ? ` data-page="${escapeHtml(more)}"` : "";
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
