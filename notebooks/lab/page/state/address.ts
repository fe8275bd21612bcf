/** @file The page's address: the controls, and where they are not the first ones, the device and the speed. */
import { addressOf, fromAddress } from "../../engine/address.ts";
import { type Controls, type DeviceChoice, deviceNames } from "../../engine/types.ts";

/** Milliseconds of rest between two steps, by their names. */
export const speeds = { "as fast as it goes": 0, "5 steps a second": 200, "1 step a second": 1000 } as const;

/** Whether the page's address names controls, and no place in the page. */
export const hasControls = (): boolean => location.hash.includes("=");

export interface Linked {
  readonly controls: Controls;
  readonly device: DeviceChoice;
  /** Milliseconds of rest between two steps. */
  readonly rest: number;
}

/** What the page's address says; where it says nothing, `defaults` on the cpu at full speed. */
export function read(defaults: Controls): Linked {
  if (!hasControls()) return { controls: defaults, device: "cpu", rest: 0 };
  const given = new URLSearchParams(location.hash.slice(1));
  const rest = Number(given.get("rest") ?? 0);
  return {
    controls: fromAddress(location.hash),
    device: deviceNames.find((name) => name === given.get("device")) ?? "cpu",
    rest: Object.values<number>(speeds).includes(rest) ? rest : 0,
  };
}

/** The address that `read` reads. */
export const written = ({ controls, device, rest }: Linked): string =>
  addressOf(controls) + (device === "cpu" ? "" : `&device=${device}`) + (rest === 0 ? "" : `&rest=${rest}`);
