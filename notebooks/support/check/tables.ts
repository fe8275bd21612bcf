/** @file Reads the tables out of an executed notebook, in the form that `npm run notebooks:check` stores and compares. */
import { parseHTML } from "linkedom";
import type { Notebook } from "../gallery/notebook.ts";

export interface ShownTable {
  readonly title: string;
  readonly header: readonly string[];
  /** Text of the cells; null for volatile ones, which differ from run to run. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Largest relative difference allowed for numbers without a spread. */
  readonly tolerance: number;
}

/** Every table of an executed notebook, in order. */
export function tablesIn({ cells }: Notebook): ShownTable[] {
  const pages = cells.flatMap(({ outputs }) => outputs.flatMap((output) => output["text/html"] ?? []));
  return pages.flatMap((html) => {
    const { document } = parseHTML(`<html><body>${html}</body></html>`);
    return Array.from(document.querySelectorAll("table"), readTable);
  });
}

function readTable(element: Element): ShownTable {
  const textsOf = (row: Element, cells: string): Element[] => Array.from(row.querySelectorAll(cells));
  return {
    title: element.querySelector("caption")?.textContent ?? "",
    header: textsOf(element, "thead th").map(({ textContent }) => textContent ?? ""),
    rows: textsOf(element, "tbody tr").map((row) =>
      textsOf(row, "td").map((cell) =>
        cell.hasAttribute("data-volatile") ? null : (cell.textContent ?? ""),
      ),
    ),
    tolerance: Number(element.getAttribute("data-tolerance") ?? 0),
  };
}
