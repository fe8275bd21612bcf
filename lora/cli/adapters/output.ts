/** @file Options that commands share which write a checkpoint or an adapter, and how they print sizes and parts. */

import { LowrankError } from "../../../core/index.ts";
import { type Flag, text, toggle } from "../flags.ts";

/** `--out`. */
export const outOption = (what: string): Flag<string> =>
  text("folder", `where ${what} goes`, { required: true });

/** `--overwrite`. */
export const overwriteOption = toggle("write into a folder that holds files already");

/** `--base`, where only some adapters need it. */
export const optionalBase = {
  base: text("folder", "the base model, for adapters whose ΔW depends on it: DoRA, PiSSA, OLoRA"),
};

const units: Readonly<Record<string, number>> = {
  "": 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** A size such as 5GB or 500MB, in bytes. */
export const sizeOption = (summary: string): Flag<number | undefined> => ({
  ...(text("size", summary) as Flag<never>),
  parse(given, name) {
    const [, number, unit] = /^\s*([\d.]+)\s*([a-z]*)\s*$/i.exec(given) ?? [];
    const bytes = Number(number) * (units[unit?.toLowerCase()] ?? Number.NaN);
    if (Number.isFinite(bytes) && bytes >= 1) return Math.floor(bytes) as never;
    throw new LowrankError(`${name}: expected a size such as 5GB or 500MB; got ${JSON.stringify(given)}`);
  },
});

/** A part of a whole as a percentage. */
export const percent = (part: number): string =>
  part === 0
    ? "0 %"
    : part < 1e-4
      ? `${(100 * part).toExponential(1)} %`
      : `${Number((100 * part).toPrecision(3))} %`;

/** A number with as many digits as people read. */
export const short = (value: number): number => Number(value.toPrecision(4));
