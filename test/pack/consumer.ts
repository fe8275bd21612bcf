/** @file An empty project that installs the package, and what it computes there. */

import { lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "./checks.ts";

/**
 * A program for any place where the library runs: it trains LoRA on an MLP for a few steps, merges, and loads gpu.js. Its
 * result is printed, and left as `globalThis.result` for a page.
 */
export const program = `
import { tensor } from "lowrank/autograd";
import { currentDevice, full, kernelCounts, loadGpu, matmul, random, setDevice } from "lowrank/core";
import { inject } from "lowrank/lora";
import { AdamW, fitSteps, MLP } from "lowrank/nn";

const x = tensor(random(0).normal(64 * 8, 0, 1), [64, 8]);
const adapted = inject(new MLP(8, 32), { method: "lora", rank: 2, alpha: 4, target: "all-linear", seed: 1 });
const loss = () => adapted.forward(x).sub(x.mul(2)).square().mean();
const optimizer = new AdamW(adapted.parameters(), { lr: 0.01 });
const losses = [];
for await (const step of fitSteps(adapted, { steps: 5, optimizer, batch: () => x, loss })) losses.push(step.loss);
const before = adapted.forward(x);
adapted.merge();
const change = adapted.forward(x).sub(before).abs().max().div(before.abs().max()).item();
const outputs = Array.from(adapted.forward(x).toArray()).slice(0, 8);
const device = currentDevice().adapter;
const ran = kernelCounts();
let gpu;
try {
  await loadGpu();
  setDevice("gpu:cpu");
  gpu = matmul(full([1, 2], 3), full([2, 1], 2)).data[0];
} catch (error) {
  gpu = error.name + ": " + error.message;
}
const result = { losses, change, outputs, device, ran, gpu };
console.log(JSON.stringify(result));
globalThis.result = result;
`;

/** What \`program\` gives. */
export interface Result {
  readonly losses: readonly number[];
  /** How far the merged model is from the adapted one, relative to the largest output. */
  readonly change: number;
  readonly outputs: readonly number[];
  readonly device: string;
  readonly ran: Readonly<Record<string, number>>;
  /** The product of two matrices on gpu.js, 12; or why there is none. */
  readonly gpu: number | string;
}

/** Makes the folder of a project. @param fields what its package.json holds in addition */
export function project(folder: string, fields: object = {}): string {
  mkdirSync(folder, { recursive: true });
  const manifest = { name: "consumer", version: "1.0.0", private: true, license: "MIT", type: "module" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...manifest, ...fields }, null, 2));
  writeFileSync(join(folder, "main.js"), program);
  return folder;
}

/**
 * Checks that a result has the numbers of `expected`, bit for bit, and that training and merging did what they should.
 * @param gpu what it says of gpu.js: it computes, or is not installed, or is not asked
 */
export function checkResult(text: string, expected: Result, gpu: "computes" | "missing" | "any"): Result {
  const result = JSON.parse(text.trim().split("\n").at(-1) as string) as Result;
  const [first, ...rest] = result.losses;
  expect(rest.length === 4 && rest[3] < first, `training does not lower the loss: ${result.losses}`);
  expect(result.change < 1e-6, `merging changes the outputs by ${result.change}`);
  for (const part of ["losses", "change", "outputs"] as const)
    expect(
      JSON.stringify(result[part]) === JSON.stringify(expected[part]),
      `${part}: expected ${JSON.stringify(expected[part])}, as in the checkout; got ${JSON.stringify(result[part])}`,
    );
  expect(/WebAssembly SIMD/.test(result.device), `expected the kernels of the cpu; got ${result.device}`);
  if (gpu === "computes") expect(result.gpu === 12, `gpu.js: expected 12; got ${result.gpu}`);
  if (gpu === "missing")
    expect(
      /^DeviceError: loadGpu: .*npm i gpu\.js/.test(String(result.gpu)),
      `expected what to install; got ${result.gpu}`,
    );
  return result;
}

/** What the loss ended at. */
export const summary = ({ losses, change }: Result): string =>
  `loss ${losses[4].toFixed(6)} after 5 steps, merged within ${change.toExponential(0)}`;

/** Bytes on the disk of a folder, in MB, counted in blocks as `du` does, without what links lead to. */
export function megabytes(folder: string): number {
  let blocks = 0;
  const seen = new Set<number>();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const { blocks: own = 0, ino } = lstatSync(join(folder, name));
    if (!seen.has(ino)) blocks += own;
    seen.add(ino);
  }
  return (blocks * 512) / 1e6;
}
