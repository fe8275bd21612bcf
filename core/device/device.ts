/**
 * @file Devices: which kernels run. `setDevice` and `withDevice` choose; the environment variable `LOWRANK_DEVICE`
 * names the device to start with. Nothing falls back in silence: `kernelCounts` says what ran where.
 */

import { callSynchronously } from "../arguments/synchronous.ts";
import { currentPrecision, withItemBytes } from "../array/storage.ts";
import { NoWebAssembly, openCpu } from "../cpu/index.ts";
import { ArgumentError, DeviceError } from "../errors.ts";
import { deviceError, isAbsent, isMissing, openGpu } from "../gpu/index.ts";
import { warn } from "../warn.ts";
import { autoKernels, realGpu } from "./auto.ts";
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

/** The kernels that a device brings. Those it lacks run on the cpu, for a gpu device, or else on the reference. */
export type DeviceKernels = Pick<Kernels, "matmul"> & Partial<Kernels>;

export interface Device {
  readonly name: DeviceName;
  /** What answers: an adapter's name, the number of threads. */
  readonly adapter: string;
  /** True when the adapter is software emulation of a GPU. */
  readonly software: boolean;
  readonly kernels: DeviceKernels;
}

/** A device that works here, and all kernels as it runs them: each call is counted under the device that runs it. */
interface Opened {
  readonly device: Device;
  readonly kernels: Kernels;
}

const openers: Record<DeviceName, () => Opened> = {
  auto: openAuto,
  reference: () =>
    counted({ name: "reference", adapter: "plain loops", software: false, kernels: reference }),
  cpu: () => counted(openCpu()),
  gpu: () => counted(firstGpu()),
  "gpu:webgpu": () => counted(openGpu("webgpu")),
  "gpu:webgl2": () => counted(openGpu("webgl2")),
  "gpu:headlessgl": () => counted(openGpu("headlessgl")),
  "gpu:webasm": () => counted(openGpu("webasm")),
  "gpu:cpu": () => counted(openGpu("cpu")),
};

const opened = new Map<DeviceName, Opened>();

function open(name: DeviceName): Opened {
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

/** The device of that name, opened on first use. @throws DeviceError when it is unknown or does not work here */
export const openDevice = (name: DeviceName): Device => open(name).device;

function openAuto(): Opened {
  const cpu = cpuOrReference();
  const kernels = autoKernels(cpu.kernels, () => realGpu(() => openDevice("gpu")) && open("gpu").kernels);
  return { device: { name: "auto", adapter: cpu.device.adapter, software: false, kernels }, kernels };
}

let host: Opened | null = null;

/** The cpu; the reference, with a warning, where WebAssembly is absent or forbidden. */
function cpuOrReference(): Opened {
  if (host) return host;
  try {
    host = open("cpu");
  } catch (error) {
    if (!(error instanceof NoWebAssembly)) throw error;
    warn(
      `${error.message}; the device reference computes in its place: the same results, slowly. ` +
        "A page allows WebAssembly by 'wasm-unsafe-eval' in its Content-Security-Policy",
    );
    host = open("reference");
  }
  return host;
}

/** WebGPU, WebGL2 or headless GL, whichever answers first. */
function firstGpu(): Device {
  const errors: Error[] = [];
  for (const name of ["gpu:webgpu", "gpu:webgl2", "gpu:headlessgl"] as const) {
    try {
      return { ...openDevice(name), name: "gpu" };
    } catch (error) {
      errors.push(error as Error);
    }
  }
  const missing = errors.find(isMissing);
  if (missing) throw deviceError("gpu", missing.cause);
  throw new DeviceError(
    `gpu: no GPU answers here (${errors.map(({ message }) => message).join("; ")}). ` +
      'Use "cpu", or "gpu:webasm" to run gpu.js without one.',
    { cause: (errors.find((error) => !isAbsent(error)) ?? errors[0]).cause },
  );
}

/** `device` with all kernels: its own, counted, and for those it lacks the kernels of the device that stands in. */
function counted(device: Device): Opened {
  const standIn = device.name.startsWith("gpu") ? cpuOrReference : () => open("reference");
  const names = Object.keys(reference) as (keyof Kernels)[];
  const entries = names.map((name): [string, Kernel] => {
    const counter = counterOf(`${device.name} ${name}`);
    const run: Kernel = (...operands) => {
      const own = device.kernels[name] as Kernel | undefined;
      if (!own) return (standIn().kernels[name] as Kernel)(...operands);
      const result = own(...operands);
      counter.calls++;
      return result;
    };
    return [name, run];
  });
  return { device, kernels: Object.fromEntries(entries) as Kernels & Record<string, Kernel> };
}

type Kernel = (...operands: unknown[]) => unknown;

const counters = new Map<string, { calls: number }>();

function counterOf(key: string): { calls: number } {
  const counter = counters.get(key) ?? { calls: 0 };
  counters.set(key, counter);
  return counter;
}

/** How often each kernel ran, by device that really ran it: `{ "cpu matmul": 12, "reference reduce": 3 }`. */
export function kernelCounts(): Record<string, number> {
  const ran = [...counters].filter(([, { calls }]) => calls > 0).sort();
  return Object.fromEntries(ran.map(([key, { calls }]) => [key, calls]));
}

let current: Opened | null = null;

const inUse = (): Opened =>
  (current ??= open((globalThis.process?.env?.LOWRANK_DEVICE || "auto") as DeviceName));

/** The device in use. Before any `setDevice`: the one named by LOWRANK_DEVICE, or `auto`. */
export const currentDevice = (): Device => inUse().device;

/** The kernel of that name on the device in use, or on the reference inside `withPrecision("float64", …)`. */
export const kernel = <Name extends keyof Kernels>(name: Name): Kernels[Name] =>
  (currentPrecision() === "float64" ? open("reference") : inUse()).kernels[name];

/** Uses `name` from now on. @throws DeviceError when it is unknown or does not work here; the device is then unchanged */
export function setDevice(name: DeviceName): void {
  current = open(name);
}

/** Runs `fn` on device `name`, then returns to the device before. @throws ArgumentError when `fn` is asynchronous */
export function withDevice<T>(name: DeviceName, fn: () => T): T {
  const before = current;
  setDevice(name);
  try {
    return callSynchronously("withDevice", fn);
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
  return withItemBytes(precision === "float64" ? 8 : 4, () => callSynchronously("withPrecision", fn));
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
      const { message, cause } = error as Error;
      const detail = isMissing(error) ? (cause as Error).message : message;
      return { name, works: false, detail, software: false };
    }
  });
}
