/** @file A summary of a sweep as rows, as Markdown, and each cell as a line of CSV. */

import { describe, shown } from "./file.ts";
import type { Results } from "./results.ts";
import type { Absent, Group, Summary } from "./summary.ts";

/** The title of each column, and whether it holds numbers. */
export function columnsOf({ axes, of }: Summary): { title: string; align: "left" | "right" }[] {
  const text = (title: string) => ({ title, align: "left" as const });
  const number = (title: string) => ({ title, align: "right" as const });
  return [
    ...axes.map(text),
    number("seeds"),
    number("loss before"),
    number(`${of} loss`),
    number("±"),
    number("trained"),
    number("seconds"),
  ];
}

/** The cells of the table, as texts. */
export function rowsOf({ axes, groups }: Summary): string[][] {
  return groups.map((group) => [
    ...axes.map((name) => (name in group.values ? shown(group.values[name]) : "–")),
    seedsOf(group),
    decimals(group.before, 4),
    decimals(group.mean, 4),
    decimals(group.spread, 4),
    group.trainable === null ? "–" : group.trainable.toLocaleString("en-US"),
    decimals(group.seconds, 1),
  ]);
}

function seedsOf({ done, cells, diverged }: Group): string {
  const count = done === cells ? String(cells) : `${done} of ${cells}`;
  return diverged > 0 ? `${count}, ${diverged} diverged` : count;
}

const decimals = (value: number | null, digits: number): string =>
  value === null ? "–" : value.toFixed(digits);

/** What is not in the table, in lines. */
export function absences({ cells, done, failed, missing, fixed }: Summary): string[] {
  const words = ({ index, values }: Absent): string =>
    [`cell ${index}`, describe(values)].filter(Boolean).join(": ");
  const some = (all: readonly Absent[], line: (absent: Absent) => string): string[] => [
    ...all.slice(0, 12).map(line),
    ...(all.length > 12 ? [`  and ${all.length - 12} more`] : []),
  ];
  const common = describe(fixed);
  return [
    `${done} of ${cells} cells are done${common && `; in all of them ${common}`}.`,
    ...(failed.length > 0 ? [`${failed.length} failed:`] : []),
    ...some(failed, (absent) => `  ${words(absent)}: ${absent.error?.split("\n")[0]}`),
    ...(missing.length > 0 ? [`${missing.length} have not run:`] : []),
    ...some(missing, (absent) => `  ${words(absent)}`),
  ];
}

/** The table in Markdown, with what is missing and the plots. */
export function markdown(summary: Summary, title: string, plots: readonly string[]): string {
  const columns = columnsOf(summary);
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replace(/\|/g, "\\|")).join(" | ")} |`;
  const lines = [
    `# ${title}`,
    "",
    row(columns.map((column) => column.title)),
    row(columns.map(({ align }) => (align === "right" ? "--:" : ":--"))),
    ...rowsOf(summary).map(row),
    "",
    ...absences(summary).map((line) => (line.startsWith("  ") ? `- ${line.trim()}` : line)),
    ...plots.flatMap((plot) => ["", `![${plot.replace(/\.svg$/, "").replaceAll("-", " ")}](${plot})`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** Each cell as a line of CSV, with what varies, its losses, and why it failed. */
export function csv(results: Results): string {
  const names = [...new Set(results.cells.flatMap((values) => Object.keys(values)))];
  const head = [
    "cell",
    ...names,
    "status",
    "of",
    "loss_before",
    "loss_after",
    "loss_best",
    "trainable",
    "seconds",
    "error",
  ];
  const lines = results.cells.map((values, index) => {
    const record = results.read(index);
    const result = record?.result;
    const numbers = [result?.before, result?.after, result?.best?.value, result?.trainable, record?.seconds];
    return [
      index,
      ...names.map((name) => (name in values ? shown(values[name]) : "")),
      record?.status ?? "missing",
      result?.of ?? "",
      ...numbers.map((value) => value ?? (record?.status === "done" && value === null ? "nan" : "")),
      record?.error?.split("\n")[0] ?? "",
    ];
  });
  return `${[head, ...lines].map((line) => line.map(quoted).join(",")).join("\n")}\n`;
}

/** A field of CSV, by RFC 4180. */
const quoted = (value: unknown): string => {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
