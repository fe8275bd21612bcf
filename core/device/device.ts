/**
 * @file Devices: which kernels run. `setDevice` and `withDevice` choose; `LOWRANK_DEVICE` sets the start value.
 * Nothing falls back in silence: `kernelCounts` says what ran where.
 */

import { synchronous } from "../arguments/synchronous.ts";
import { currentPrecision, withItemBytes } from "../array/storage.ts";
import { openCpu } from "../cpu/index.ts";
import { ArgumentError, DeviceError } from "../errors.ts";
import { isAbsent, openGpu } from "../gpu/index.ts";
import { autoDevice, realGpu } from "./auto.ts";
import type { Kernels } from "./kernels.ts";
import { reference } from "./reference.ts";

export const deviceNames = [
  "auto",
  "reference",
  "cpu",
  "gpu",
  "gpu:webgpu",
  "gpu:webgl2",
  "gpu:headlessgl",
  "gpu:webasm",
  "gpu:cpu",
] as const;
export type DeviceName = (typeof deviceNames)[number];

/** The kernels that a device brings; `kernel` says where those it lacks run. */
export type DeviceKernels = Pick<Kernels, "matmul"> & Partial<Kernels>;

export interface Device {
  readonly name: DeviceName;
  /** What answers: an adapter's name, the number of threads. */
  readonly adapter: string;
  /** True when the adapter is software emulation of a GPU. */
  readonly software: boolean;
  readonly kernels: DeviceKernels;
}

const openers: Record<DeviceName, () => Device> = {
  auto: () => autoDevice(openDevice("cpu"), () => realGpu(() => openDevice("gpu")), note),
  reference: () => ({ name: "reference", adapter: "plain loops", software: false, kernels: reference }),
  cpu: openCpu,
  gpu: openAnyGpu,
  "gpu:webgpu": () => openGpu("webgpu"),
  "gpu:webgl2": () => openGpu("webgl2"),
  "gpu:headlessgl": () => openGpu("headlessgl"),
  "gpu:webasm": () => openGpu("webasm"),
  "gpu:cpu": () => openGpu("cpu"),
};

const opened = new Map<DeviceName, Device>();

/** The device of that name, opened on first use. @throws DeviceError when it is unknown or does not work here */
export function openDevice(name: DeviceName): Device {
  if (!Object.hasOwn(openers, name)) {
    throw new DeviceError(`device: expected one of ${deviceNames.join(", ")}; got ${JSON.stringify(name)}`);
  }
  let device = opened.get(name);
  if (!device) {
    device = openers[name]();
    opened.set(name, device);
  }
  return device;
}

/** WebGPU, WebGL2 or headless GL, whichever answers first. */
function openAnyGpu(): Device {
  const errors: Error[] = [];
  for (const name of ["gpu:webgpu", "gpu:webgl2", "gpu:headlessgl"] as const) {
    try {
      return { ...openDevice(name), name: "gpu" };
    } catch (error) {
      errors.push(error as Error);
    }
  }
  throw new DeviceError(
    `gpu: no GPU answers here (${errors.map(({ message }) => message).join("; ")}). Use "cpu", or "gpu:webasm" to run gpu.js without one.`,
    { cause: (errors.find((error) => !isAbsent(error)) ?? errors[0]).cause },
  );
}

let current: Device | null = null;

/** The device in use. Before any `setDevice`: the one named by LOWRANK_DEVICE, or `auto`. */
export function currentDevice(): Device {
  current ??= openDevice((globalThis.process?.env?.LOWRANK_DEVICE || "auto") as DeviceName);
  return current;
}

/** Uses `name` from now on. @throws DeviceError when it is unknown or does not work here; the device is then unchanged */
export function setDevice(name: DeviceName): void {
  current = openDevice(name);
}

/** Runs `fn` on device `name`, then returns to the device before. @throws ArgumentError when `fn` is asynchronous */
export function withDevice<T>(name: DeviceName, fn: () => T): T {
  const before = current;
  setDevice(name);
  try {
    return synchronous("withDevice", fn());
  } finally {
    current = before;
  }
}

/**
 * Runs `fn` in this precision. "float64" is for checks: it computes on the reference device with Float64Arrays.
 * @throws ArgumentError when `precision` is neither, or `fn` is asynchronous
 */
export function withPrecision<T>(precision: "float32" | "float64", fn: () => T): T {
  if (precision !== "float32" && precision !== "float64") {
    throw new ArgumentError("withPrecision", '"float32" or "float64"', { precision });
  }
  return withItemBytes(precision === "float64" ? 8 : 4, () => synchronous("withPrecision", fn()));
}

const counts = new Map<string, number>();

function note(device: string, name: string): void {
  const key = `${device} ${name}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** How often each kernel ran, by device that really ran it: `{ "cpu matmul": 12, "reference reduce": 3 }`. */
export function kernelCounts(): Record<string, number> {
  return Object.fromEntries([...counts].sort());
}

/**
 * The kernel of that name: the device's own; else, for the gpu devices, whose kernels are products, the cpu's; else
 * the reference's.
 */
export function kernel<Name extends keyof Kernels>(name: Name): Kernels[Name] {
  if (currentPrecision() === "float64") {
    note("reference", name);
    return reference[name];
  }
  const device = currentDevice();
  const runner = device.kernels[name] || !device.name.startsWith("gpu") ? device : openDevice("cpu");
  const own = runner.kernels[name] as Kernels[Name] | undefined;
  const countsItself = device.name === "auto" && (name === "matmul" || name === "dequantizeMatmul"); // cpu's, or a GPU's
  if (!countsItself) note(own ? runner.name.replace("auto", "cpu") : "reference", name);
  return own ?? reference[name];
}

export interface DeviceStatus {
  readonly name: DeviceName;
  readonly works: boolean;
  /** The adapter that answers, or why the device does not work here. */
  readonly detail: string;
  readonly software: boolean;
}

/** Every device, whether it works here, and which adapter answers or why not. Opens each. */
export function listDevices(): DeviceStatus[] {
  return deviceNames.map((name) => {
    try {
      const { adapter, software } = openDevice(name);
      return { name, works: true, detail: adapter, software };
    } catch (error) {
      return { name, works: false, detail: (error as Error).message, software: false };
    }
  });
}
