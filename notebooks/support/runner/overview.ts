/** @file A progress bar over several notebooks, with the time left; on a terminal only. */
import { SingleBar } from "cli-progress";
import { sum } from "../experiments/statistics.ts";
import { barLook } from "../terminal/progress.ts";
import type { Terminal } from "../terminal/terminal.ts";

export interface Overview {
  begin(name: string): void;
  end(name: string): void;
  /** Redraws the bar after a line was printed. */
  draw(): void;
  stop(): void;
}

/**
 * Starts the bar.
 *
 * @param jobs in the order in which they start, with the expected seconds of each
 * @param atATime how many run at a time
 */
export function overview(
  jobs: readonly { readonly request: { readonly name: string }; readonly seconds: number }[],
  atATime: number,
  terminal: Terminal,
): Overview {
  if (terminal.progress !== "bar") return { begin() {}, end() {}, draw() {}, stop() {} };

  const expected = new Map(jobs.map(({ request, seconds }) => [request.name, seconds]));
  const total = sum([...expected.values()]);
  const started = new Map<string, number>();
  const taken = new Map<string, number>();
  const now = (): number => performance.now() / 1000;

  const state = () => {
    const speed = sum([...taken.values()]) / sum([...taken.keys()].map((name) => expected.get(name)!)) || 1;
    const running = [...started].map(([name, at]) => ({
      name,
      share: Math.min(0.95, (now() - at) / (speed * expected.get(name)!)),
      seconds: speed * expected.get(name)!,
    }));
    const waiting = [...expected].filter(([name]) => !started.has(name) && !taken.has(name));
    const done = sum([...taken.keys()].map((name) => expected.get(name)!));
    const left = timeLeft(
      running.map(({ share, seconds }) => (1 - share) * seconds),
      waiting.map(([, seconds]) => speed * seconds),
      atATime,
    );
    return {
      value: done + sum(running.map(({ name, share }) => share * expected.get(name)!)),
      count: `${taken.size}/${expected.size}`,
      left: minutes(left),
      names: running.map(({ name }) => name).join(", "),
    };
  };

  const bar = new SingleBar({ ...barLook, format: "{bar} {count} notebooks, about {left} left ({names})" });
  const { value: start, ...first } = state();
  bar.start(total, start, first);
  const draw = (): void => {
    const { value, ...texts } = state();
    bar.update(value, texts);
    bar.render();
  };
  const timer = setInterval(draw, 500);
  return {
    begin: (name) => void started.set(name, now()),
    end(name) {
      taken.set(name, now() - started.get(name)!);
      started.delete(name);
    },
    draw,
    stop() {
      clearInterval(timer);
      bar.stop();
    },
  };
}

/** Seconds until all are done, if the waiting ones start in order as soon as one of `atATime` places is free. */
export function timeLeft(running: readonly number[], waiting: readonly number[], atATime: number): number {
  const ends = Array.from({ length: atATime }, (_, i) => running[i] ?? 0);
  for (const seconds of waiting) ends[ends.indexOf(Math.min(...ends))] += seconds;
  return Math.max(...ends);
}

function minutes(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
