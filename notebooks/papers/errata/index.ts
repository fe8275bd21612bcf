/** @file The errata of all papers, and the tables that show them. */
import { type Table, table } from "../../support/show/table.ts";
import { errata as adalora } from "./adalora.ts";
import { errata as dora } from "./dora.ts";
import { type Erratum, KINDS } from "./erratum.ts";
import { errata as lora } from "./lora.ts";
import { errata as loraPlus } from "./lora-plus.ts";
import { errata as qlora } from "./qlora.ts";

export { b0, bT, printedBudget, schedule } from "./adalora.ts";
export { similarity } from "./lora.ts";

export const papers = { LoRA: lora, QLoRA: qlora, AdaLoRA: adalora, "LoRA+": loraPlus, DoRA: dora } as const;
export type Paper = keyof typeof papers;

export const all: readonly Erratum[] = Object.values(papers).flat();

/** The errata of a paper, the most serious kinds first. */
export function errataOf(paper: Paper): Table {
  const sorted = [...papers[paper]].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
  const rows = sorted.map(({ place, printed, found, kind, why }) => ({
    place,
    printed,
    "computed here": found,
    "what it means": `${kind[0].toUpperCase()}${kind.slice(1)}. ${why}`,
  }));
  return table(rows, { title: paper });
}

/** The number of errata by paper and kind. */
export function overview(): Table {
  const rows = Object.entries(papers).map(([paper, errata]) => ({
    paper,
    ...Object.fromEntries(KINDS.map((kind) => [kind, errata.filter((one) => one.kind === kind).length])),
    all: errata.length,
  }));
  return table(rows, { title: "Errata by kind" });
}
