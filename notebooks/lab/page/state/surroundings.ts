/** @file What is around the page: its address, which holds the controls, and whether its tab is shown. */
import { effect } from "@preact/signals";
import type { Controls } from "../../engine/types.ts";
import { hasControls, read, written } from "./address.ts";
import { same } from "./changes.ts";
import type { Lab } from "./lab.ts";
import { isFinished } from "./run.ts";

/** Keeps the address and the controls alike; a run waits while the tab is hidden. */
export function follow(lab: Lab, defaults: Controls): void {
  const { controls, device, rest } = lab;
  /** Sets what the address says. A pasted text that is too long for it stays. */
  const obey = (): void => {
    const linked = read(defaults);
    rest.value = linked.rest;
    void lab.setDevice(linked.device);
    lab.set({ ...linked.controls, text: linked.controls.text || controls.value.text });
  };
  // A link may have been followed in the markup, before the program listened.
  if (hasControls() && !same(read(defaults).controls, controls.value)) obey();
  effect(() => {
    const now = { controls: controls.value, device: device.value, rest: rest.value };
    if (hasControls() || !same(now.controls, defaults) || now.device !== "cpu" || now.rest !== 0)
      history.replaceState(null, "", written(now));
  });
  addEventListener("hashchange", () => {
    if (hasControls() || location.hash.length <= 1) obey(); // any other is a place in the page
  });
  let wasRunning = false;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      wasRunning = lab.isRunning.value;
      lab.pause();
    } else if (wasRunning && !isFinished(lab.current.value)) {
      lab.play();
      lab.message.value = { text: "The run waited while this tab was hidden, and goes on.", kind: "news" };
    }
  });
}

export const whenIdle = (act: () => void): unknown =>
  "requestIdleCallback" in window ? requestIdleCallback(act, { timeout: 2000 }) : setTimeout(act, 500);
