/** @file Makes the state of the page: signals, and the functions that ask the engine and write down what it says. */
import { computed, signal } from "@preact/signals";
import { checkControls } from "../../engine/controls.ts";
import { sentenceOf } from "../../engine/refusal.ts";
import type { Controls, DeviceChoice, Started } from "../../engine/types.ts";
import type { PageData } from "../data.ts";
import { read } from "./address.ts";
import { effective, partOf, same, suggestedWith } from "./changes.ts";
import type { Lab, Message } from "./lab.ts";
import { createLine } from "./line.ts";
import { isAlive, isFinished, newRun, type Run, recordedRun, stepOf } from "./run.ts";
import { follow, whenIdle } from "./surroundings.ts";

/** Rest after a change of a control before its run is opened, in milliseconds: a slider sends many. */
const SETTLE = 250;
/** Shortest time between two looks at a matrix while a run trains, in milliseconds. */
const LOOK_PERIOD = 500;

const GIVEN_BACK = "Only three runs keep their models. This one keeps its numbers; Start trains it again.";

const after = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

export function createLab(data: PageData): Lab {
  const recorded = recordedRun(data.stored);
  const defaults = recorded.controls;
  const linked = read(defaults);
  const controls = signal<Controls>(linked.controls);
  const device = signal<DeviceChoice>("cpu");
  const rest = signal(linked.rest);
  const runs = signal<readonly Run[]>([recorded]);
  const current = signal<Run>(recorded);
  const isRunning = signal(false);
  const busy = signal<string | null>(null);
  const message = signal<Message | null>(null);
  const started = signal<Started | null>(null);
  const matrix = signal(recorded.looked.value[0]?.name ?? recorded.opened.matrices[0]?.name ?? "");
  const watchers = signal(0);
  const written = signal<Lab["written"]["value"]>(null);
  const named = computed(() => {
    const titles = runs.value.map(({ title }) => title);
    const isAlone = (title: string): boolean => titles.indexOf(title) === titles.lastIndexOf(title);
    return runs.value.map((run) => ({
      run,
      title: isAlone(run.title) ? run.title : `${run.title} (${run.number})`,
      color: run.color,
    }));
  });

  /** What is to be opened next: of several wishes the last. */
  let wish: { readonly controls: Controls; readonly again: boolean } | null = null;
  let opening: Promise<Run | null> | null = null;
  let changedAt = Number.NEGATIVE_INFINITY;
  let choices = 0; // of runs, by their rows
  let numbers = 0;
  let lookedAt = 0;
  let stepping: Promise<void> | null = null;
  let isDriving = false;
  let underWay: Run | null = null; // whose step is computed

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
        run.ended.value ??= `${reason} What this run found stays here; Start trains it again.`;
    },
  });
  const { ask, ready } = line;

  const close = (run: Run): void => {
    if (isAlive(run)) line.tell((engine) => engine.close(run.opened.id));
  };
  const isOfControls = (run: Run): boolean =>
    run.number > 0 && run.device === device.value && same(run.controls, controls.value);

  /** Puts a run into view, with a matrix that it has. */
  function view(run: Run): void {
    current.value = run;
    if (!run.opened.matrices.some(({ name }) => name === matrix.value))
      matrix.value = run.opened.matrices[0]?.name ?? "";
    void look();
  }

  /**
   * The run of the controls as they are: one that is there and can go on, or a new one, which is always what `again` asks
   * for. An earlier run with the same controls has the same numbers, and leaves the table then, as do runs without a step.
   * One is opened at a time: whoever asks meanwhile gets the run of the last controls.
   */
  function open(again = false): Promise<Run | null> {
    const isAsked = wish !== null && same(wish.controls, controls.value);
    wish = { controls: controls.value, again: again || (isAsked && wish?.again === true) };
    opening ??= openWishes().finally(() => {
      opening = null;
    });
    return opening;
  }

  const settling = (): number => changedAt + SETTLE - performance.now();

  async function openWishes(): Promise<Run | null> {
    let run: Run | null = null;
    while (wish) {
      for (let left = settling(); left > 0; left = settling()) await after(left);
      const again = wish?.again ?? false;
      if (!wish) break; // a row was chosen meanwhile
      wish = null;
      run = await openOne(again);
    }
    return run;
  }

  async function openOne(again: boolean): Promise<Run | null> {
    const mine = choices;
    const known = runs.value.find(isOfControls);
    if (known && !again && isAlive(known)) {
      view(known);
      return known;
    }
    if (!areGood() || !(await ready()) || mine !== choices) return null;
    const [on, wanted] = [device.value, effective(controls.value)];
    const isEmpty = (run: Run): boolean => run.number > 0 && stepOf(run) === 0 && run !== underWay;
    const left = runs.value.filter((other) => other === known || isEmpty(other));
    const replaced = left.filter(isAlive).map((other) => other.opened.id);
    const answer = await ask((engine) => engine.open(wanted, replaced));
    if (!answer) return null;
    const { alive, ...opened } = answer;
    for (const other of runs.value)
      if (isAlive(other) && !alive.includes(other.opened.id)) other.ended.value = GIVEN_BACK;
    if (mine !== choices) {
      line.tell((engine) => engine.close(opened.id));
      return null;
    }
    const colors = runs.value.map(({ color }) => color);
    const run = newRun(++numbers, opened, on, colors);
    runs.value = [...runs.value.filter((other) => !left.includes(other)), run];
    view(run);
    return run;
  }

  /**
   * The run of the controls as they are, with its model; null when there can be none. Where another is on its way, it is that
   * one: what is pressed after Reset is meant for the new run.
   */
  async function withModel(): Promise<Run | null> {
    const begun = opening && (await opening);
    if (begun) return begun;
    const run = current.value;
    return isAlive(run) && isOfControls(run) ? run : open();
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

  /** That run; refuses where a run in view keeps only its numbers, which a new one would take the place of. */
  async function withItsModel(): Promise<Run | null> {
    const run = current.value;
    const hasNumbers = run.number > 0 && stepOf(run) > 0;
    if (!opening && hasNumbers && run.ended.value !== null && isOfControls(run))
      return refuse(run.ended.value);
    return withModel();
  }

  async function advance(run: Run): Promise<boolean> {
    underWay = run;
    let canRetry = false; // as where the browser had no memory for this step
    const answer = await ask(async (engine) => {
      const given = await engine.step(run.opened.id);
      if ("refused" in given) canRetry = given.canRetry === true;
      return given;
    });
    underWay = null;
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
    try {
      for (let fresh = true; isRunning.value; fresh = false) {
        const before = current.value;
        if (!fresh && isFinished(before) && isOfControls(before)) break;
        const run = await runnable();
        if (!run || !isRunning.value || !(await advance(run))) break;
        await after(rest.value);
      }
    } finally {
      isDriving = false;
      isRunning.value = false;
    }
  }

  async function stepOnce(): Promise<void> {
    const run = await runnable();
    if (run) await advance(run);
  }

  async function look(): Promise<void> {
    const run = current.value;
    const name = matrix.value;
    if (!isAlive(run) || !name) return;
    lookedAt = performance.now();
    if (run.merged.value?.isMerged) return;
    const answer = await ask((engine) => engine.look(run.opened.id, name), true);
    const kept = run.looked.value.filter((one) => one.name !== name || one.step === 0); // the start stays, to compare with
    if (answer && !kept.some((one) => one.name === name && one.step === answer.step))
      run.looked.value = [...kept, answer];
    else run.looked.value = kept;
  }

  async function setMerged(to: boolean): Promise<void> {
    message.value = null;
    const run = to ? await withItsModel() : current.value;
    if (!run || !isAlive(run)) return;
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
      if (JSON.stringify(next) === JSON.stringify(controls.value)) return;
      controls.value = next;
      message.value = null;
      if (!areGood() || (same(next, current.value.controls) && !opening)) return;
      changedAt = performance.now();
      void open();
    },
    async setDevice(choice) {
      const before = device.value;
      if (choice === before) return;
      message.value = null;
      device.value = choice;
      const isOn = await line.change(choice);
      if (!isOn && device.value === choice) device.value = before; // the sentence of the refusal stays
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
    step() {
      if (isRunning.value) {
        lab.pause();
        return Promise.resolve();
      }
      if (!stepping) message.value = null;
      stepping ??= stepOnce().finally(() => {
        stepping = null;
      });
      return stepping;
    },
    reset() {
      isRunning.value = false;
      message.value = null;
      void open(true);
    },
    select(run) {
      isRunning.value = false;
      message.value = null;
      wish = null;
      choices++;
      controls.value = { ...run.controls, text: run.controls.text || controls.value.text };
      view(run);
    },
    remove(run) {
      const left = runs.value.filter((other) => other !== run);
      if (left.length === 0) return;
      if (run === current.value) lab.select(left[left.length - 1]);
      runs.value = left;
      close(run);
    },
    look,
    merge: () => setMerged(true),
    unmerge: () => setMerged(false),
    async write(prompt) {
      message.value = null;
      const run = await withItsModel();
      if (!run) return;
      const answer = await ask((engine) => engine.write(run.opened.id, prompt));
      if (answer) written.value = { run, prompt, ...answer, step: stepOf(run) };
    },
    adapter(run) {
      message.value = null;
      return ask((engine) => engine.adapter(run.opened.id));
    },
    begin() {
      follow(lab, defaults);
      if (linked.device !== "cpu") void lab.setDevice(linked.device);
      else if (same(controls.value, defaults)) whenIdle(() => void ready());
      if (!same(controls.value, defaults)) void open();
    },
  };

  return lab;
}
