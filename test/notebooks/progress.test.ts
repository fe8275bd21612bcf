import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Session, withSession } from "../../notebooks/support/notebook/session.ts";
import { progress } from "../../notebooks/support/terminal/progress.ts";
import { silentTerminal, type Terminal } from "../../notebooks/support/terminal/terminal.ts";

const bars = suite("progress");

/** What is written when `steps` take one second each by a clock of our own. */
async function written(kind: Terminal["progress"], steps: number, more = 0): Promise<string[]> {
  const lines: string[] = [];
  const terminal = { ...silentTerminal, progress: kind, status: (line: string) => void lines.push(line) };
  const session = new Session({
    name: "nb",
    cells: [],
    full: false,
    overrides: new Map(),
    seeds: undefined,
    terminal,
  });
  const { now } = performance;
  let seconds = 0;
  performance.now = () => 1000 * seconds;
  try {
    await withSession(session, async () => {
      const bar = progress(steps, "training");
      for (; seconds < steps + more; ) {
        if (seconds === steps) bar.more(more);
        seconds++;
        bar.tick();
      }
      bar.done();
    });
  } finally {
    performance.now = now;
  }
  return lines;
}

bars("without a terminal, each quarter prints one line with the time left", async () => {
  assert.equal(await written("lines", 40), [
    "training: 10/40, 30 s left",
    "training: 20/40, 20 s left",
    "training: 30/40, 10 s left",
    "training: 40/40, 0 s left",
  ]);
});

bars("steps that were not foreseen count in the whole", async () => {
  assert.equal((await written("lines", 40, 10)).slice(-2), [
    "training: 40/40, 0 s left",
    "training: 50/50, 0 s left",
  ]);
});

bars("a computation of less than five seconds prints nothing", async () => {
  assert.equal(await written("lines", 4), []);
});

bars("under tests nothing is printed", async () => {
  assert.equal(await written("none", 40), []);
});

bars.run();
