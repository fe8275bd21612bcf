/**
 * @file Compares the tables of two runs. Text and numbers must be equal, with three exceptions: a mean with its spread,
 * `a ± b`, may differ by b, the deviation that other seeds would cause; an interval, `a (b to c)`, may differ by half of
 * its length; and decimals may differ by a table's tolerance, where it declares one.
 */
import type { ShownTable } from "./tables.ts";

/** A number, with its spread if it has one. */
const NUMBER = /(-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)(?: ± (\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?))?/g;

/** A mean with the ends of its interval, `−0.012 (−0.015 to −0.009)`. */
const INTERVAL =
  /([−-]?[\d.,]+(?:e[+-]?\d+)?) \(([−-]?[\d.,]+(?:e[+-]?\d+)?) to ([−-]?[\d.,]+(?:e[+-]?\d+)?)\)/g;

/** The differences, one sentence each; empty if there are none. */
export function differences(before: readonly ShownTable[], now: readonly ShownTable[]): string[] {
  const titles = (tables: readonly ShownTable[]): string[] => tables.map(({ title }) => title);
  const [old, present] = [titles(before), titles(now)];
  const changed = old.length !== present.length || old.some((title, i) => title !== present[i]);
  if (changed) {
    const gone = old.filter((title) => !present.includes(title));
    const added = present.filter((title) => !old.includes(title));
    const what = [
      gone.length > 0 && `gone: ${gone.join("; ")}`,
      added.length > 0 && `new: ${added.join("; ")}`,
    ];
    return [
      `other tables than before${what.some(Boolean) ? ` (${what.filter(Boolean).join("; ")})` : ", or in another order"}`,
    ];
  }
  return before.flatMap((table, i) => inTable(table, now[i]));
}

function inTable(before: ShownTable, now: ShownTable): string[] {
  const where = `table "${before.title}"`;
  if (before.header.join("|") !== now.header.join("|"))
    return [`${where}: columns ${now.header.join(", ")}; before ${before.header.join(", ")}`];
  if (before.rows.length !== now.rows.length)
    return [`${where}: ${now.rows.length} rows; before ${before.rows.length}`];
  return before.rows.flatMap((row, i) =>
    row.flatMap((cell, j) => {
      const found = now.rows[i][j];
      if (cell === null || found === null || agree(cell, found, before.tolerance)) return [];
      const name = row[0] ?? `row ${i + 1}`;
      return [`${where}, row "${name}", column "${before.header[j]}": ${found}; before ${cell}`];
    }),
  );
}

/** Whether two cells agree: their words are equal, and each number is within its spread, interval or the tolerance. */
export function agree(before: string, now: string, tolerance = 0): boolean {
  if (before === now) return true;
  const [intervals, found] = [before, now].map((text) => [...text.matchAll(INTERVAL)]);
  if (intervals.length > 0) {
    if (intervals.length !== found.length) return false;
    const [rest, other] = [before, now].map((text) => text.replaceAll(INTERVAL, "(interval)"));
    return (
      intervals.every((one, i) => isNear(one.slice(1), found[i].slice(1))) && agree(rest, other, tolerance)
    );
  }
  if (before.replaceAll(NUMBER, "#") !== now.replaceAll(NUMBER, "#")) return false;
  const [old, present] = [before, now].map((text) => [...text.matchAll(NUMBER)]);
  return old.every(([text, value, spread], i) => {
    if (text === present[i][0]) return true;
    const [a, b] = [number(value), number(present[i][1])];
    const decimal = /[.e]/.test(value);
    const allowed = spread !== undefined ? number(spread) : decimal ? tolerance * Math.abs(a) : 0;
    return Math.abs(a - b) <= allowed * (1 + 1e-9); // printed decimals are not exact in binary
  });
}

/** Whether a mean and the ends of its interval are within half of its length of what they were, but for the last digit. */
function isNear(before: readonly string[], now: readonly string[]): boolean {
  const [old, present] = [before, now].map((texts) => texts.map(number));
  const [, low, high] = old;
  return old.every((value, i) => Math.abs(value - present[i]) <= (high - low) / 2 + 0.05 * Math.abs(value)); // two digits
}

function number(text: string): number {
  return Number(text.replaceAll(",", "").replace("−", "-"));
}
