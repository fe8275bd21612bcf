import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Control } from "../../../core/gpu/webgpu/protocol.ts";

const test = suite("gpu: the bridge's protocol");

test("an answer is received unchanged, even when it came before the wait", () => {
  const control = new Control();
  for (const status of ["done", "failed", "memory", "lost"] as const) {
    control.clear();
    control.answer(status, `“${status}”`);
    assert.equal(control.wait(1000), { status, text: `“${status}”` });
  }
});

test("without an answer the status is pending when patience ends", () => {
  const control = new Control();
  control.clear();
  assert.is(control.wait(20).status, "pending");
});

test("a wake-up that belongs to an earlier answer does not end the wait for the next", async () => {
  const control = new Control();
  const worker = new Worker(
    `const words = new Int32Array(require("node:worker_threads").workerData, 0, 3);
     let rounds = 0;
     setInterval(() => {
       if (++rounds === 20) words[0] = 1; // done
       Atomics.notify(words, 0);
     }, 5);`,
    { eval: true, execArgv: [], workerData: control.memory },
  );
  worker.unref();
  control.clear();
  assert.is(control.wait(30_000).status, "done");
  await worker.terminate();
});

test("after the worker's end every wait ends at once, with the worker's reason or a general one", () => {
  const control = new Control();
  control.end("over");
  assert.equal(control.wait(60_000).status, "lost");
  control.clear();
  assert.equal(control.wait(60_000).status, "lost");
});

test("a text that is too long for the memory is cut off", () => {
  const control = new Control();
  control.clear();
  control.answer("failed", "x".repeat(100_000));
  assert.match(control.wait(1000).text, /^x{16384}$/);
});

test.run();
