/**
 * @file The state of the page and what can be done to it. Everything that the page shows is a signal here; every change
 * comes through one of these functions, whether a control, a link of the text or a card of the tour asks for it.
 */
import type { ReadonlySignal, Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Controls, DeviceChoice, Started } from "../../engine/types.ts";
import type { PageData } from "../data.ts";
import type { Run } from "./run.ts";

/** One sentence for the visitor. */
export interface Message {
  readonly text: string;
  readonly kind: "refused" | "news";
  /** The control that it is about, by its `data-part`. */
  readonly about?: string;
}

export interface Named {
  readonly run: Run;
  readonly title: string;
  readonly color: string;
}

export interface Lab {
  readonly data: PageData;
  readonly controls: Signal<Controls>;
  readonly device: Signal<DeviceChoice>;
  /** Milliseconds of rest between two steps. */
  readonly rest: Signal<number>;
  readonly runs: Signal<readonly Run[]>;
  readonly current: Signal<Run>;
  /** The runs with their names and colours. */
  readonly named: ReadonlySignal<readonly Named[]>;
  readonly isRunning: Signal<boolean>;
  /** What the engine is doing besides steps: "loading the model". */
  readonly busy: Signal<string | null>;
  readonly message: Signal<Message | null>;
  readonly started: Signal<Started | null>;
  /** The name of the matrix that is looked at. */
  readonly matrix: Signal<string>;
  /** How many pictures that need a look at the matrix are on the screen. */
  readonly watchers: Signal<number>;
  /** The base's and the adapted model's text after the visitor's prompt. */
  readonly written: Signal<{
    run: Run;
    prompt: string;
    base: string;
    adapted: string;
    step: number;
  } | null>;
  set(change: Partial<Controls>): void;
  setDevice(device: DeviceChoice): Promise<void>;
  play(): void;
  pause(): void;
  step(): Promise<void>;
  reset(): void;
  select(run: Run): void;
  remove(run: Run): void;
  look(): Promise<void>;
  merge(): Promise<void>;
  unmerge(): Promise<void>;
  write(prompt: string): Promise<void>;
  adapter(run: Run): Promise<{ safetensors: Uint8Array; config: string } | null>;
  /** Follows the page's address and loads the model; called once, when the page stands in a browser. */
  begin(): void;
}

const Context = createContext<Lab | null>(null);
export const LabProvider = Context.Provider;
export function useLab(): Lab {
  const lab = useContext(Context);
  if (!lab) throw new Error("useLab: expected to be inside the page");
  return lab;
}
