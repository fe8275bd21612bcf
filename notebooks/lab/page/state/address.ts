/** @file The controls in the page's address, after the #: all of them, so that a link means the same when defaults change. */
import { LONGEST_IN_ADDRESS } from "../../engine/address.ts";
import type { Controls } from "../../engine/types.ts";

/** "#target=moby-dick&method=lora&…"; a pasted text only when it is short. */
export function addressOf(controls: Controls): string {
  const { text } = controls;
  const fields = Object.entries(controls)
    .filter(([name]) => name !== "text" || (controls.target === "own" && text.length <= LONGEST_IN_ADDRESS))
    .map(([name, value]) => [name, String(value)]);
  return `#${new URLSearchParams(fields)}`;
}

/** Whether the page's address names controls, and no place in the page. */
export const hasControls = (): boolean => location.hash.includes("=");
