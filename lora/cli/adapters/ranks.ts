/** @file What combine and convert share: how much of ΔW the new adapter holds, as options and as a table. */

import type { ConvertReport } from "../../index.ts";
import { choice, integer, number } from "../flags.ts";
import { resolveFolder } from "../hub/index.ts";
import type { IO, Terminal } from "../terminal/terminal.ts";
import { percent } from "./output.ts";

/** The options that bound the new adapter. */
export const truncationOptions = {
  rank: integer("r", "the most ranks of a layer", { min: 1 }),
  energy: number("part", "the part of ‖ΔW‖² that is kept in each layer, up to 1", {
    min: 0,
    above: true,
    max: 1,
  }),
  dtype: choice("the format of the numbers", ["F32", "F16", "BF16"], { default: "F32" }),
};

/** Those of these options that were given, for the library. */
export function given(
  options: {
    readonly rank: number | undefined;
    readonly energy: number | undefined;
    readonly dtype: "F32" | "F16" | "BF16";
    readonly base: string | undefined;
    readonly overwrite: boolean;
  },
  env: IO["env"],
) {
  const { rank, energy, dtype, base, overwrite } = options;
  return {
    ...{ dtype, overwrite },
    ...(rank !== undefined && { rank }),
    ...(energy !== undefined && { energy }),
    ...(base !== undefined && { base: resolveFolder(base, { who: "--base", env }) }),
  };
}

/** The most layers in the table. */
const ROWS = 16;

/** Prints the ranks of the new adapter, and what they keep. */
export function showConverted({ layers, kept, rank }: ConvertReport, out: string, terminal: Terminal): void {
  const least = [...layers].sort((a, b) => a.kept - b.kept || b.rank - a.rank).slice(0, ROWS);
  terminal.table(
    ["layer", "rank", "kept of ‖ΔW‖²"],
    least.map((one) => [one.layer, one.rank, part(one.kept)]),
  );
  if (layers.length > ROWS)
    terminal.print(`${layers.length - ROWS} more layers keep as much or more; --json lists all.`);
  const all = kept === null ? "" : `, ${part(kept)} of ‖ΔW‖² over all layers`;
  terminal.print(`\nwritten: ${out}, ${layers.length} layers of rank up to ${rank}${all}`);
}

/** A part near 1 with the digits that tell it from 1. */
const part = (kept: number): string =>
  kept >= 1 - 1e-12 ? "100 %" : kept > 0.999 ? `100 % − ${percent(1 - kept)}` : percent(kept);
