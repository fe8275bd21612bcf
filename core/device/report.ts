/** @file What is known of every device here: whether it works, what answers, and a self-check; as data and as a table. */

import { currentDevice, type DeviceName, listDevices, openDevice } from "./device.ts";
import { type Check, selfCheck } from "./self-check.ts";

/** One device, as it is here. */
export interface DeviceRow {
  readonly name: DeviceName;
  readonly works: boolean;
  /** What answers, or why it does not work. */
  readonly detail: string;
  /** True for emulations of hardware. */
  readonly software: boolean;
  /** The largest errors of a few products against the reference, in units of K ε Σ|ab|; none for one that does not work. */
  readonly checks: readonly Check[];
}

/** All devices, and the one that is in use. */
export interface DeviceReport {
  readonly used: DeviceName;
  readonly devices: readonly DeviceRow[];
}

/** Opens and checks every device. @throws DeviceError when the one in use is unknown or does not work */
export function deviceReport(): DeviceReport {
  const used = currentDevice().name;
  const devices = listDevices().map((status) => ({
    ...status,
    checks: status.works ? selfCheck(openDevice(status.name)) : [],
  }));
  return { used, devices };
}

/** A report as rows of text, titles first. */
export const deviceTable = ({ devices }: DeviceReport): string[][] => [
  ["device", "works", "kind", "error / Kε", "adapter, or why not"],
  ...devices.map(({ name, works, detail, software, checks }) => [
    name,
    works ? "yes" : "no",
    works ? kind(name, software) : "",
    works ? Math.max(...checks.map(({ error }) => error)).toFixed(3) : "",
    detail.replace(`${name}: `, ""),
  ]),
];

function kind(name: DeviceName, software: boolean): string {
  if (!name.startsWith("gpu")) return "cpu";
  return software ? "software" : "real";
}
