/** @file `samples`: what a model writes before and after adaptation, side by side, with the differences marked. */
import type { MimeBundle } from "../notebook/session.ts";
import { escapeHtml, Table, type TableOptions, table } from "./table.ts";

/** A prompt and the texts that answer it, by heading: { input: "Aromi Thai", base: "…", "after LoRA": "…" }. */
export type Sample = Readonly<Record<string, string>>;

/**
 * Texts of several models beside each other. The first column is the prompt; words of the third and further columns that
 * are not in the second, in order, are marked.
 *
 * @example display(samples([{ input: "Aromi Thai", "the base writes": "…", "after LoRA": "…" }]))
 */
export function samples(
  rows: readonly Sample[],
  options: Pick<TableOptions<Sample>, "title" | "note"> = {},
): Samples {
  const { grid } = table(rows, options);
  // Generated text may differ in its last digits' worth of rounding from machine to machine: it is not compared.
  return new Samples({ ...grid, volatile: grid.rows.map((row) => row.map((_, j) => j > 0)) });
}

export class Samples extends Table {
  override toText(): string {
    const { title, note, header, rows } = this.grid;
    const wide = Math.max(...header.map((label) => label.length));
    const blocks = rows.map((row) =>
      row
        .map((text, j) => {
          const shown = j < 2 ? text : joined(marked(row[1], text), (words) => `«${words}»`);
          return `${header[j].padStart(wide)}  ${shown}`;
        })
        .join("\n"),
    );
    return [title, blocks.join("\n\n"), note].filter((part) => part !== "").join("\n\n");
  }

  override toString(): string {
    return this.toText();
  }

  override toMime(): MimeBundle {
    const { title, note, header, rows } = this.grid;
    const cell = (row: readonly string[], j: number): string => {
      const text =
        j < 2 ? escapeHtml(row[j]) : joined(marked(row[1], row[j]), (words) => `<b>${words}</b>`, escapeHtml);
      return `<td align="left"${j > 0 ? " data-volatile" : ""}>${text}</td>`;
    };
    const html = [
      '<table class="samples">',
      ...(title ? [`<caption><b>${escapeHtml(title)}</b></caption>`] : []),
      `<thead><tr>${header.map((label) => `<th align="left">${escapeHtml(label)}</th>`).join("")}</tr></thead>`,
      "<tbody>",
      ...rows.map((row) => `<tr>${row.map((_, j) => cell(row, j)).join("")}</tr>`),
      "</tbody>",
      "</table>",
      ...(note ? [`<p><small>${escapeHtml(note)}</small></p>`] : []),
    ].join("\n");
    return { "text/html": html, "text/plain": this.toText() };
  }
}

interface Words {
  readonly text: string;
  /** Whether they are not in the other text. */
  readonly isNew: boolean;
}

/** `text` in runs of words, those of the longest common subsequence with `before` and the others. */
export function marked(before: string, text: string): Words[] {
  const [a, b] = [before, text].map((one) => one.split(/\s+/).filter((word) => word !== ""));
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  const runs: { words: string[]; isNew: boolean }[] = [];
  for (let i = 0, j = 0; j < b.length; ) {
    const kept = i < a.length && a[i] === b[j];
    if (!kept && i < a.length && common[i + 1][j] >= common[i][j + 1]) {
      i++;
      continue;
    }
    if (runs.at(-1)?.isNew !== !kept) runs.push({ words: [], isNew: !kept });
    runs.at(-1)!.words.push(b[j++]);
    if (kept) i++;
  }
  return runs.map(({ words, isNew }) => ({ text: words.join(" "), isNew }));
}

function joined(
  runs: readonly Words[],
  mark: (words: string) => string,
  write: (words: string) => string = (words) => words,
): string {
  return runs.map(({ text, isNew }) => (isNew ? mark(write(text)) : write(text))).join(" ");
}
