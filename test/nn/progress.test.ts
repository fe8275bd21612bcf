/** @file Bars on a terminal: what an interrupt leaves behind, and what is shown where there is no terminal. */

import { SingleBar } from "cli-progress";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { progressBar } from "../../nn/train/progress.node.ts";
import { barLook } from "../../notebooks/support/terminal/progress.ts";

const test = suite("progress bars");

/** What `fn` writes to standard error while that is a terminal, or is none. */
function written(isTerminal: boolean, fn: () => void): string {
  const { stderr } = process;
  const before = { isTTY: stderr.isTTY, write: stderr.write };
  let text = "";
  stderr.isTTY = isTerminal;
  stderr.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof stderr.write;
  try {
    fn();
  } finally {
    Object.assign(stderr, before);
  }
  return text;
}

const bars = {
  "of fit": () => progressBar(3, "training"),
  "of the notebooks": () => {
    const bar = new SingleBar({ ...barLook, format: "{bar} {value}" });
    bar.start(3, 0);
    return { tick: () => bar.increment(), done: () => bar.stop() };
  },
};

for (const [name, make] of Object.entries(bars)) {
  test(`a bar ${name} changes no mode of the terminal that an interrupt would leave changed`, () => {
    let bar = { tick() {}, done() {} };
    const text = written(true, () => {
      bar = make();
      bar.tick(); // the interrupt comes here
    });
    written(true, () => bar.done());
    assert.match(text, "░");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
    assert.not.match(text, /\x1b\[\?\d+[lh]/); // ?7l would switch wrapping off, ?25l the cursor
  });
}

test("nothing is written where standard error is no terminal", () => {
  const text = written(false, () => {
    const bar = progressBar(3, "training");
    bar.tick();
    bar.done();
  });
  assert.is(text, "");
});

test.run();
