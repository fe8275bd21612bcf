/** @file The gpu.js modes that work here, for tests that run in each; and the reasons why the others do not. */

import type { Test } from "uvu";
import { type GpuDevice, type GpuMode, openGpu } from "../../../core/gpu/index.ts";
import { useSwiftShader } from "./swiftshader.ts";

useSwiftShader();

/** Something that must hold on every gpu device. */
export interface Law {
  readonly name: string;
  readonly holds: (device: GpuDevice) => void;
}

const devices = new Map<GpuMode, GpuDevice | string>();

/** The device of `mode`, or why it does not work here. */
export function deviceOrReason(mode: GpuMode): GpuDevice | string {
  let device = devices.get(mode);
  if (device === undefined) {
    try {
      device = openGpu(mode);
    } catch (error) {
      device = (error as Error).message;
    }
    devices.set(mode, device);
  }
  return device;
}

const told = new Set<GpuMode>();

/** Registers a law as a test of each mode; where the mode does not work, as a skipped one, and says why. */
export function inEachMode(test: Test, { name, holds }: Law): void {
  for (const mode of ["webgpu", "headlessgl", "webasm", "cpu"] as const) {
    const device = deviceOrReason(mode);
    if (typeof device === "string") {
      if (!told.has(mode)) console.log(`skipped: tests of ${device}`);
      told.add(mode);
      test.skip(`${mode}: ${name}`);
    } else test(`${mode}: ${name}`, () => holds(device));
  }
}
