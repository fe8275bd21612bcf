/** @file Makes the state of the page: signals, and the functions that ask the engine and write down what it says. */
import { computed, signal } from "@preact/signals";
import { fromAddress } from "../../engine/address.ts";
import { checkControls } from "../../engine/controls.ts";
import { sentenceOf } from "../../engine/refusal.ts";
import { type Controls, type DeviceChoice, MOST_RUNS, type Started } from "../../engine/types.ts";
import type { PageData } from "../data.ts";
import { hasControls } from "./address.ts";
import { effective, partOf, same, suggestedWith } from "./changes.ts";
import type { Lab, Message } from "./lab.ts";
import { createLine } from "./line.ts";
import { isFinished, newRun, type Run, recordedRun, stepOf } from "./run.ts";
import { follow, whenIdle } from "./surroundings.ts";

/** Rest after a change of a control before its run is opened, in milliseconds: a slider sends many. */
const SETTLE = 250;
/** Shortest time between two looks at a matrix while a run trains, in milliseconds. */
const LOOK_PERIOD = 500;

const GIVEN_BACK = "Only three runs keep their models. This one keeps its numbers; Start trains it again.";

export function createLab(data: PageData): Lab {
  const recorded = recordedRun(data.stored);
  const defaults = recorded.controls;
  const linked = hasControls() ? fromAddress(location.hash) : defaults;
  const controls = signal<Controls>(linked);
  const device = signal<DeviceChoice>("cpu");
  const rest = signal(0);
  const runs = signal<readonly Run[]>([recorded]);
  const current = signal<Run>(recorded);
  const isRunning = signal(false);
  const busy = signal<string | null>(null);
  const message = signal<Message | null>(null);
  const started = signal<Started | null>(null);
  const matrix = signal(recorded.looked.value[0]?.name ?? recorded.opened.matrices[0]?.name ?? "");
  const watchers = signal(0);
  const written = signal<Lab["written"]["value"]>(null);
  const named = computed(() => runs.value.map((run) => ({ run, title: run.title, color: run.color })));

  let opening = 0;
  let resetting: Promise<Run | null> | null = null;
  let numbers = 0;
  let settle: ReturnType<typeof setTimeout> | undefined;
  let lookedAt = 0;
  let isStepping = false;
  let isDriving = false;

  const refuse = (text: string, about?: string): null => {
    message.value = { text, kind: "refused", about };
    return null;
  };

  /** Whether the controls can be as they are; if not, says why. */
  function areGood(): boolean {
    try {
      checkControls(controls.value);
      return true;
    } catch (error) {
      const sentence = sentenceOf(error);
      refuse(sentence, partOf(sentence));
      return false;
    }
  }

  const line = createLine({
    data,
    device,
    busy,
    started,
    refuse,
    onDrop(reason) {
      isRunning.value = false;
      for (const run of runs.value)
        run.ended.value ??= `${reason} What this run found stays here; it cannot go on.`;
    },
  });
  const { ask, ready, drop } = line;

  /**
   * The run of the controls as they are: one that is there and can go on, or a new one, which is always what `again` asks
   * for. An earlier run with the same controls has the same numbers, and leaves the table then, as do runs without a step.
   */
  async function open(again = false): Promise<Run | null> {
    clearTimeout(settle);
    const mine = ++opening;
    const known = runs.value.find((run) => run.number > 0 && same(run.controls, controls.value));
    if (known && !again && known.ended.value === null) {
      current.value = known;
      return known;
    }
    if (!areGood() || !(await ready())) return null;
    const answer = await ask((engine) => engine.open(effective(controls.value)));
    if (!answer) return null;
    if (mine !== opening) {
      line.tell((engine) => engine.close(answer.id));
      return null;
    }
    const run = newRun(
      ++numbers,
      answer,
      runs.value.map(({ color }) => color),
    );
    const left = runs.value.filter((other) => other.number > 0 && (other === known || stepOf(other) === 0));
    runs.value = [...runs.value.filter((other) => !left.includes(other)), run];
    for (const other of left) line.tell((engine) => engine.close(other.opened.id));
    const alive = runs.value.filter((other) => other.number > 0 && other.ended.value === null);
    for (const other of alive.slice(0, -MOST_RUNS)) other.ended.value = GIVEN_BACK;
    current.value = run;
    if (!answer.matrices.some(({ name }) => name === matrix.value))
      matrix.value = answer.matrices[0]?.name ?? "";
    await look();
    return run;
  }

  /**
   * The run of the controls as they are, with its model; null when there can be none. Where another is on its way, it is that
   * one: what is pressed after Reset is meant for the new run.
   */
  async function withModel(): Promise<Run | null> {
    if (resetting) {
      const mine = opening;
      const begun = await resetting;
      if (mine === opening) return begun; // else the controls were changed meanwhile
    }
    const run = current.value;
    const isOfControls = run.number > 0 && run.ended.value === null && same(run.controls, controls.value);
    return isOfControls ? run : open();
  }

  /** That run when it can make a step; a new one where it is finished. */
  async function runnable(): Promise<Run | null> {
    const run = await withModel();
    if (!run) return null;
    if (isFinished(run)) return open(true);
    if (run.merged.value?.isMerged)
      return refuse("The adapter is merged into the weights; unmerge it to train on.");
    return run;
  }

  async function advance(run: Run): Promise<boolean> {
    let canRetry = false; // as where the browser had no memory for this step
    const answer = await ask(async (engine) => {
      const given = await engine.step(run.opened.id);
      if ("refused" in given) canRetry = given.canRetry === true;
      return given;
    });
    if (!answer) {
      if (!canRetry) run.ended.value ??= message.value?.text ?? "This run has stopped.";
      return false;
    }
    const { stepped, measured } = answer;
    run.steps.value = [...run.steps.value, stepped];
    if (measured) run.measured.value = [...run.measured.value, measured];
    const isDue = watchers.value > 0 && performance.now() - lookedAt > LOOK_PERIOD;
    if (stepped.step <= 2 || measured || isDue) await look();
    return true;
  }

  async function drive(): Promise<void> {
    isDriving = true;
    for (let fresh = true; isRunning.value; fresh = false) {
      const before = current.value;
      if (!fresh && isFinished(before) && same(before.controls, controls.value)) break;
      const run = await runnable();
      if (!run || !isRunning.value || !(await advance(run))) break;
      await new Promise((resolve) => setTimeout(resolve, rest.value));
    }
    isDriving = false;
    isRunning.value = false;
  }

  async function look(): Promise<void> {
    const run = current.value;
    const name = matrix.value;
    if (run.number === 0 || run.ended.value !== null || !name) return;
    lookedAt = performance.now();
    if (run.merged.value?.isMerged) return;
    const answer = await ask((engine) => engine.look(run.opened.id, name), true);
    const kept = run.looked.value.filter((one) => one.name !== name || one.step === 0); // the start stays, to compare with
    if (answer && !kept.some((one) => one.name === name && one.step === answer.step))
      run.looked.value = [...kept, answer];
    else run.looked.value = kept;
  }

  async function setMerged(to: boolean): Promise<void> {
    const run = to ? await withModel() : current.value;
    if (!run) return;
    isRunning.value = false;
    const { id } = run.opened;
    busy.value = to ? "Merging, and timing both …" : "Unmerging …";
    const answer = await ask((engine) => (to ? engine.merge(id) : engine.unmerge(id)));
    busy.value = null;
    if (answer) run.merged.value = answer;
  }

  const lab: Lab = {
    data,
    controls,
    device,
    rest,
    runs,
    current,
    named,
    isRunning,
    busy,
    message,
    started,
    matrix,
    watchers,
    written,
    set(change) {
      const next = { ...controls.value, ...suggestedWith(change, controls.value), ...change };
      if (same(next, controls.value)) return;
      controls.value = next;
      message.value = null;
      if (!areGood()) return void opening++;
      clearTimeout(settle);
      opening++;
      if (same(next, current.value.controls)) return;
      settle = setTimeout(() => void open(), SETTLE);
    },
    async setDevice(choice) {
      if (choice === device.value) return;
      drop("The device was changed.");
      device.value = choice;
      message.value = null;
      if (await ready()) return void open();
      if (device.value === choice) device.value = "cpu"; // the sentence of the refusal stays
    },
    play() {
      if (isRunning.value) return;
      message.value = null;
      isRunning.value = true;
      if (!isDriving) void drive();
    },
    pause() {
      isRunning.value = false;
    },
    async step() {
      if (isRunning.value) return lab.pause();
      if (isStepping) return;
      isStepping = true;
      message.value = null;
      const run = await runnable();
      if (run) await advance(run);
      isStepping = false;
    },
    reset() {
      isRunning.value = false;
      message.value = null;
      const mine = open(true).finally(() => {
        if (resetting === mine) resetting = null;
      });
      resetting = mine;
    },
    select(run) {
      isRunning.value = false;
      opening++;
      clearTimeout(settle);
      current.value = run;
      controls.value = run.controls;
      if (!run.opened.matrices.some(({ name }) => name === matrix.value))
        matrix.value = run.opened.matrices[0]?.name ?? "";
      void look();
    },
    remove(run) {
      const left = runs.value.filter((other) => other !== run);
      if (left.length === 0) return;
      if (run === current.value) lab.select(left[left.length - 1]);
      runs.value = left;
      if (run.number > 0) line.tell((engine) => engine.close(run.opened.id));
    },
    look,
    merge: () => setMerged(true),
    unmerge: () => setMerged(false),
    async write(prompt) {
      const run = await withModel();
      if (!run) return;
      const answer = await ask((engine) => engine.write(run.opened.id, prompt));
      if (answer) written.value = { prompt, ...answer, step: stepOf(run) };
    },
    adapter: (run) => ask((engine) => engine.adapter(run.opened.id)),
    restart() {
      drop("The worker was ended.");
      message.value = null;
    },
    begin() {
      follow(lab, defaults);
      if (same(linked, defaults)) whenIdle(() => void ready());
      else void open();
    },
  };

  return lab;
}
