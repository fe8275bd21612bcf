/** @file `fold`: tables behind one sentence, which a click opens. */
import type { MimeBundle } from "../notebook/session.ts";
import { escapeHtml, type Table } from "./table.ts";

/**
 * Several tables behind one sentence that says what is in them, for exact tables that most readers pass over.
 *
 * @example display(fold("28 of the 34 printed counts come out; the six that do not say why.", table(counts)))
 */
export class Folded {
  readonly sentence: string;
  readonly tables: readonly Table[];

  constructor(sentence: string, tables: readonly Table[]) {
    this.sentence = sentence;
    this.tables = tables;
  }

  toMime(): MimeBundle {
    const inner = this.tables.map((table) => table.toMime()["text/html"]).join("\n");
    return {
      "text/html": `<details><summary>${escapeHtml(this.sentence)}</summary>\n${inner}\n</details>`,
      "text/plain": this.toString(),
    };
  }

  /** @param columns the width of the terminal */
  toText(columns?: number): string {
    return [this.sentence, ...this.tables.map((table) => table.toText(columns))].join("\n\n");
  }

  toString(): string {
    return [this.sentence, ...this.tables.map(String)].join("\n\n");
  }
}

export function fold(sentence: string, ...tables: readonly Table[]): Folded {
  return new Folded(sentence, tables);
}
