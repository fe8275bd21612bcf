/** @file What run.ts runs in a page or in its worker: the self-check of a device, then the conformance cases on it. */

import {
  type DeviceName,
  kernelCounts,
  type LoadGpuOptions,
  loadGpu,
  openDevice,
  scope,
  setDevice,
} from "lowrank/core";
import { selfCheck } from "../../core/device/self-check.ts";
import { type GpuMode, openGpu } from "../../core/gpu/index.ts";
import { readCases } from "../conformance/cases.ts";
import { type CaseResult, runCases } from "../conformance/run-cases.ts";
import { agreement } from "../core/gpu/agreement.ts";
import { packedMatrices } from "../core/gpu/packed-matrix.ts";
import { residency } from "../core/gpu/residency.ts";
import { programLaws } from "../support/program-laws.ts";

export interface PageResult {
  readonly adapter: string;
  readonly results: readonly CaseResult[];
  readonly kernels: Readonly<Record<string, number>>;
}

/** A device's results on all cases that the server has and whose path holds `only`. */
export async function runOn(
  name: DeviceName,
  only: string,
  options: LoadGpuOptions = {},
): Promise<PageResult> {
  const loading = name.startsWith("gpu") ? [await loadsOnDemand(name, options)] : [];
  setDevice(name);
  const device = openDevice(name);
  const checks = selfCheck(device).map(
    ({ product, error }): CaseResult => ({
      path: `matmul, ${product}`,
      status: error <= 1 ? "passed" : "failed",
      detail: `error ${error.toFixed(3)} K ε`,
    }),
  );
  const cases = readCases(await oracles()).filter(({ path }) => path.includes(only));
  return {
    adapter: device.adapter,
    results: [
      ...loading,
      ...checks,
      ...lawsOn(name).filter(({ path }) => path.includes(only)),
      ...scope(() => runCases(cases)),
    ], // in a scope temporaries live in shared memory
    kernels: kernelCounts(),
  };
}

/** A gpu device is refused, with what to do, until gpu.js is loaded, which `loadGpu` does. */
async function loadsOnDemand(name: DeviceName, options: LoadGpuOptions): Promise<CaseResult> {
  let refusal = "";
  try {
    openDevice(name);
  } catch (error) {
    refusal = (error as Error).message;
  }
  await loadGpu(options);
  return resultOf("gpu.js is loaded on demand", () => {
    const advice = name === "gpu:webgpu" ? /needs a worker: see loadGpu/ : /first await loadGpu\(\)$/;
    if (!advice.test(refusal)) throw new Error(`expected advice to await loadGpu; got ${refusal || "none"}`);
  });
}

/** Random programs in a page: fewer than in Node. */
const PROGRAMS = 40;

/** The laws of all devices, and those of gpu devices, on one of them. */
function lawsOn(name: DeviceName): CaseResult[] {
  const results = programLaws.map((law) => resultOf(law.name, () => law.holds(name, PROGRAMS)));
  if (!name.startsWith("gpu:")) return results;
  const device = openGpu(name.slice(4) as GpuMode);
  const laws = [...agreement, ...packedMatrices, ...residency];
  return [...results, ...laws.map((law) => resultOf(law.name, () => law.holds(device)))];
}

export function resultOf(path: string, holds: () => void): CaseResult {
  try {
    holds();
    return { path, status: "passed", detail: "" };
  } catch (error) {
    return { path, status: "failed", detail: (error as Error).message };
  }
}

/** The files of test/oracles, by path. */
async function oracles(): Promise<Map<string, Uint8Array>> {
  const paths: string[] = await (await fetch("/oracles/")).json();
  const read = async (path: string): Promise<[string, Uint8Array]> => {
    const response = await fetch(`/oracles/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return [path, new Uint8Array(await response.arrayBuffer())];
  };
  return new Map(await Promise.all(paths.map(read)));
}
