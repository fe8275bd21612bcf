/**
 * @file What must hold of small random programs on every device; programs.test.ts runs it in Node, test/browser in pages.
 */

import * as fc from "fast-check";
import { type DeviceName, scope, withDevice, withPrecision } from "lowrank/core";
import { execute, type Outcome, type Program, program } from "./programs.ts";
import { assertNear, expected } from "./rounding.ts";

/** Integers below 2²⁴ are exact; shares of ties are halves, of which a program can make eight in a row. */
const EXACT = 2 ** 16;

const maximum = ({ results }: Outcome): number =>
  results.reduce((most, values) => Math.max(most, ...Array.from(values ?? [])), 0);

const on = <T>(device: DeviceName, fn: () => T): T => withDevice(device, () => scope(fn));

/** Adds the program to whatever `check` throws. */
function told(listing: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    (error as Error).message += `\n${listing}`;
    throw error;
  }
}

function agreesExactly(device: DeviceName, run: Program): void {
  const exact = withPrecision("float64", () => scope(() => execute(run, "exact")));
  fc.pre(maximum(withPrecision("float64", () => scope(() => execute(run, "exact", true)))) <= EXACT);
  const bounds = { exact: exact.results, tolerances: exact.results.map(() => 0) };
  told(exact.listing, () => {
    assertNear(device, on(device, () => execute(run, "exact")).results, bounds, exact.names);
  });
}

function agreesWithinRounding(device: DeviceName, run: Program): void {
  const { names, listing } = withPrecision("float64", () => scope(() => execute(run, "smooth")));
  const bounds = expected(
    () => run,
    () => scope(() => execute(run, "smooth").results),
  );
  fc.pre(bounds !== null);
  told(listing, () => {
    assertNear(
      device,
      on(device, () => execute(run, "smooth")).results,
      bounds as NonNullable<typeof bounds>,
      names,
    );
  });
}

export interface ProgramLaw {
  readonly name: string;
  readonly holds: (device: DeviceName, numRuns: number) => void;
}

const law = (name: string, check: (device: DeviceName, run: Program) => void): ProgramLaw => ({
  name,
  holds: (device, numRuns) =>
    fc.assert(
      fc.property(program, (run) => check(device, run)),
      { numRuns },
    ),
});

export const programLaws: readonly ProgramLaw[] = [
  law("programs over small integers, to the bit", agreesExactly),
  law("programs with smooth functions, within rounding", agreesWithinRounding),
];
