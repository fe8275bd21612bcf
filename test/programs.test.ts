/**
 * @file Small random programs, forward and backward: every device gives what `reference` gives. Where float32 is exact
 * (small integers), to the bit; elsewhere within what rounding does to that program.
 */

import * as fc from "fast-check";
import { type DeviceName, scope, withDevice, withPrecision } from "lowrank/core";
import { suite } from "uvu";
import { deviceOrReason } from "./core/gpu/modes.ts";
import { execute, type Outcome, type Program, program } from "./support/programs.ts";
import { assertNear, expected } from "./support/rounding.ts";

const test = suite("programs");

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

const devices: readonly (readonly [device: DeviceName, runs: number])[] = [
  ["reference", 60],
  ["cpu", 400],
  ["auto", 60],
  ["gpu:cpu", 40],
  ["gpu:webasm", 40],
  ["gpu:webgpu", 30],
];

for (const [device, numRuns] of devices) {
  const absent = device === "gpu:webgpu" && deviceOrReason("webgpu");
  if (typeof absent === "string") {
    console.log(`skipped: programs on ${absent}`);
    test.skip(`programs on ${device}`);
    continue;
  }
  test(`${device}: programs over small integers, to the bit`, () => {
    fc.assert(
      fc.property(program, (run) => agreesExactly(device, run)),
      { numRuns },
    );
  });
  test(`${device}: programs with smooth functions, within rounding`, () => {
    fc.assert(
      fc.property(program, (run) => agreesWithinRounding(device, run)),
      { numRuns },
    );
  });
}

test.run();
