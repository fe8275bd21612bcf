/** @file What run.ts calls in the page. */

import { type DeviceName, kernelCounts, openDevice, setWarnings } from "lowrank/core";
import { selfCheck } from "../../core/device/self-check.ts";
import { type PageResult, resultOf, runOn } from "./on-device.ts";

/** On the page that forbids WebAssembly: `auto` computes on the reference, and says so once. */
function runStrict(): PageResult {
  const heard: string[] = [];
  setWarnings((message) => heard.push(message));
  const checks = selfCheck(openDevice("auto"));
  const { adapter } = openDevice("auto");
  const holds = (): void => {
    if (adapter !== "plain loops") throw new Error(`auto is ${adapter}`);
    if (checks.some(({ error }) => !(error <= 1))) throw new Error("a product is wrong");
    if (heard.length !== 1 || !/WebAssembly does not work here .*reference/.test(heard[0]))
      throw new Error(`expected one warning; got ${JSON.stringify(heard)}`);
  };
  return {
    adapter,
    results: [resultOf("auto falls back to the reference, with one warning", holds)],
    kernels: kernelCounts(),
  };
}

/** Runs a device in a worker, which may wait, as `gpu:webgpu` needs. */
async function runInWorker(name: DeviceName, only: string): Promise<PageResult> {
  const worker = new Worker("/worker.js", { type: "module" });
  const answer = new Promise<PageResult>((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.onmessage = ({ data }: MessageEvent<PageResult | string>) =>
      typeof data === "string" ? reject(new Error(data)) : resolve(data);
  });
  worker.postMessage({ name, only });
  return answer.finally(() => worker.terminate());
}

Object.assign(globalThis, { runOn, runStrict, runInWorker });
