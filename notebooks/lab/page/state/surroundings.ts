/** @file What is around the page: its address, which holds the controls, and whether its tab is shown. */
import { effect } from "@preact/signals";
import { addressOf, fromAddress } from "../../engine/address.ts";
import type { Controls } from "../../engine/types.ts";
import { hasControls } from "./address.ts";
import { same } from "./changes.ts";
import type { Lab } from "./lab.ts";

/** Keeps the address and the controls alike; a run waits while the tab is hidden. */
export function follow(lab: Lab, defaults: Controls): void {
  // A link may have been followed in the markup, before the program listened.
  const linked = hasControls() ? fromAddress(location.hash) : lab.controls.value;
  if (!same(linked, lab.controls.value)) lab.set(linked);
  effect(() => {
    if (hasControls() || !same(lab.controls.value, defaults))
      history.replaceState(null, "", addressOf(lab.controls.value));
  });
  addEventListener("hashchange", () => {
    if (hasControls()) lab.set(fromAddress(location.hash));
  });
  let wasRunning = false;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      wasRunning = lab.isRunning.value;
      lab.pause();
    } else if (wasRunning) {
      lab.play();
      lab.message.value = { text: "The run waited while this tab was hidden, and goes on.", kind: "news" };
    }
  });
}

export const whenIdle = (act: () => void): unknown =>
  "requestIdleCallback" in window ? requestIdleCallback(act, { timeout: 2000 }) : setTimeout(act, 500);
