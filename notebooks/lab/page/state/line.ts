/**
 * @file The page's side of the engine: starts its worker when something is asked for the first time, shows what it refuses,
 * and starts another when it fails.
 */
import type { Signal } from "@preact/signals";
import type { DeviceChoice, Engine, Refused, Started } from "../../engine/types.ts";
import type { PageData } from "../data.ts";
import { type Connection, connect } from "./connection.ts";

interface LineSettings {
  readonly data: PageData;
  readonly device: Signal<DeviceChoice>;
  readonly busy: Signal<string | null>;
  readonly started: Signal<Started | null>;
  /** Shows a sentence; gives null. */
  readonly refuse: (text: string) => null;
  /** Told why the worker is gone, and the models of its runs with it. */
  readonly onDrop: (reason: string) => void;
}

export interface Line {
  /** The engine's answer; null when it refused or its worker failed: then its sentence is shown, of refusals unless `quietly`. */
  ask<T extends object>(
    question: (engine: Engine) => Promise<T | Refused>,
    quietly?: boolean,
  ): Promise<T | null>;
  /** Says something to the engine if there is one, whatever it answers. */
  tell(question: (engine: Engine) => Promise<unknown>): void;
  /** Whether the engine has loaded the model, which it does once. */
  ready(): Promise<boolean>;
  /** A worker on another device in the place of this one, once it has answered; else all is as it was. */
  change(to: DeviceChoice): Promise<boolean>;
}

const isRefused = (answer: object): answer is Refused => "refused" in answer;

export function createLine({ data, device, busy, started, refuse, onDrop }: LineSettings): Line {
  let connection: Connection | null = null;
  let starting: Promise<boolean> | null = null;
  let generation = 0; // of workers

  function drop(reason: string): void {
    const old = connection;
    connection = null;
    old?.close();
    generation++;
    starting = null;
    started.value = null;
    busy.value = null;
    onDrop(reason);
  }

  async function ask<T extends object>(
    question: (engine: Engine) => Promise<T | Refused>,
    quietly = false,
  ): Promise<T | null> {
    let asked = connection;
    try {
      asked = connection ??= connect(data.worker);
      const answer = await asked.ask(question);
      if (!isRefused(answer)) return answer;
      return quietly ? null : refuse(answer.refused);
    } catch (error) {
      if (connection !== asked) return null; // the worker was ended on purpose
      const reason = error instanceof Error ? error.message : String(error);
      drop(reason);
      return refuse(`${reason} Nothing is lost: Start begins again with a new one.`);
    }
  }

  /** The base's files; null, with a sentence, where the browser cannot unpack them. */
  async function unpacked() {
    try {
      return await data.base();
    } catch (error) {
      return refuse(
        `This browser cannot unpack the model (${error instanceof Error ? error.message : error}); open the page in a newer one.`,
      );
    }
  }

  async function start(): Promise<boolean> {
    busy.value = "The model is being loaded …";
    const mine = generation;
    const base = await unpacked();
    if (mine !== generation) return false;
    const answer = base && (await ask<Started>((engine) => engine.start(base, data.texts, device.value)));
    if (mine !== generation) return false;
    busy.value = null;
    started.value = answer;
    if (!answer) starting = null;
    return answer !== null;
  }

  async function change(to: DeviceChoice): Promise<boolean> {
    busy.value = "The model is being loaded on the other device …";
    const base = await unpacked();
    let next: Connection | null = null;
    try {
      if (!base) return false;
      next = connect(data.worker);
      const answer = await next.ask((engine) => engine.start(base, data.texts, to));
      if (to !== device.value) {
        next.close();
        return false; // another was chosen meanwhile
      }
      if (isRefused(answer)) {
        next.close();
        refuse(answer.refused);
        return false;
      }
      drop("The device was changed.");
      connection = next;
      starting = Promise.resolve(true);
      started.value = answer;
      return true;
    } catch (error) {
      next?.close();
      refuse(error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      busy.value = null;
    }
  }

  return {
    ask,
    tell: (question) => void connection?.ask(question).catch(() => {}),
    ready: () => (starting ??= start()),
    change,
  };
}
