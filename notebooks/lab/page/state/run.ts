/** @file A run as the page keeps it: what the engine said of it, step by step. It stays when the engine has closed it. */
import { type Signal, signal } from "@preact/signals";
import type {
  Controls,
  DeviceChoice,
  Looked,
  Measured,
  Merged,
  Opened,
  Stepped,
  StoredRun,
} from "../../engine/types.ts";
import { runColor, runTitle } from "./names.ts";

export interface Run {
  /** The number that the page shows; 0 is the recorded run. */
  readonly number: number;
  readonly opened: Opened;
  readonly controls: Controls;
  readonly device: DeviceChoice;
  readonly title: string;
  readonly color: string;
  readonly steps: Signal<readonly Stepped[]>;
  readonly measured: Signal<readonly Measured[]>;
  /** The chosen matrix, as it was looked at last. */
  readonly looked: Signal<readonly Looked[]>;
  readonly merged: Signal<Merged | null>;
  /** Why it cannot go on: it diverged, or its model is gone. */
  readonly ended: Signal<string | null>;
  readonly isShown: Signal<boolean>;
}

/** `taken`: the colours of the other runs. */
export function newRun(number: number, opened: Opened, device: DeviceChoice, taken: readonly string[]): Run {
  return {
    number,
    opened,
    device,
    controls: opened.controls,
    title: runTitle(opened.controls),
    color: runColor(opened.controls, taken),
    steps: signal<readonly Stepped[]>([]),
    measured: signal<readonly Measured[]>([opened.before]),
    looked: signal<readonly Looked[]>([]),
    merged: signal<Merged | null>(null),
    ended: signal<string | null>(null),
    isShown: signal(true),
  };
}

const RECORDED = "#93a9dd";

/** The run that was recorded when the page was made. */
export function recordedRun({ opened, steps, measured, looked }: StoredRun): Run {
  const run = {
    ...newRun(0, opened, "cpu", []),
    title: `${runTitle(opened.controls)} (recorded)`,
    color: RECORDED,
  };
  run.steps.value = steps;
  run.measured.value = measured[0]?.step === 0 ? measured : [opened.before, ...measured];
  run.looked.value = looked;
  run.ended.value = "This run was recorded when the page was made; Start trains the same one here.";
  return run;
}

export const stepOf = (run: Run): number => run.steps.value.at(-1)?.step ?? 0;
export const lastMeasured = (run: Run): Measured => run.measured.value.at(-1) ?? run.opened.before;
/** Whether the engine still has its model. */
export const isAlive = (run: Run): boolean => run.number > 0 && run.ended.value === null;
export const isFinished = (run: Run): boolean => stepOf(run) >= run.controls.steps;
