/** @file Runs cases on the device in use and checks every output they list. Needs no disk: a browser page can import it. */

import { scope } from "lowrank/core";
import type { BrokenCase, LoadedCase } from "./cases.ts";
import { compare, type Numbers } from "./check.ts";
import { findMethod } from "./methods/index.ts";
import { NotBuilt, type Output } from "./methods/method.ts";

export interface CaseResult {
  readonly path: string;
  readonly status: "passed" | "failed" | "skipped";
  /** The largest error against its tolerance, or what is wrong, or why it was skipped. */
  readonly detail: string;
}

/** The result of each case, in order; `report` is called with each as it comes. */
export function runCases(
  cases: readonly (LoadedCase | BrokenCase)[],
  report: (result: CaseResult) => void = () => {},
): CaseResult[] {
  return cases.map((item) => {
    const result = "problem" in item ? failed(item, item.problem) : runCase(item);
    report(result);
    return result;
  });
}

function runCase(loaded: LoadedCase): CaseResult {
  const method = findMethod(loaded.method);
  if (!method) return failed(loaded, `unknown method ${loaded.method}`);
  try {
    return scope(() => {
      const got = method(loaded);
      return checkOutputs(loaded, (name) => (Object.hasOwn(got, name) ? got[name] : undefined));
    });
  } catch (error) {
    if (error instanceof NotBuilt) {
      return { path: loaded.path, status: "skipped", detail: `${error.message} is not built yet` };
    }
    return failed(loaded, (error as Error).message);
  }
}

function checkOutputs(loaded: LoadedCase, find: (name: string) => Output | undefined): CaseResult {
  const unknown = [...loaded.outputs.keys()].filter((name) => find(name) === undefined);
  if (unknown.length > 0) return failed(loaded, `unknown output ${unknown.join(", ")} of ${loaded.method}`);

  const problems: string[] = [];
  let closest = { worst: 0, name: "" };
  for (const [name, stored] of loaded.outputs) {
    const { worst, detail } = compare(numbersOf(find(name) as Output), stored);
    if (worst >= closest.worst && stored.tolerance !== "exact") closest = { worst, name };
    if (!(worst <= 1)) {
      const error = Number.isFinite(worst) ? `${round(worst)} times the tolerance, ` : "";
      problems.push(`${name}: ${error}${detail}`);
    }
  }
  if (problems.length > 0) return failed(loaded, problems.join("\n    "));
  const detail = closest.name ? `${round(closest.worst)} of the tolerance (${closest.name})` : "exact";
  return { path: loaded.path, status: "passed", detail };
}

/** A result as plain numbers. A gradient that never came is an error. */
function numbersOf(output: Output): Numbers {
  if (output === null) return { shape: [], data: [] };
  if (typeof output === "number") return { shape: [], data: [output] };
  return "value" in output ? output.value : output;
}

const failed = ({ path }: { readonly path: string }, detail: string): CaseResult => ({
  path,
  status: "failed",
  detail,
});

const round = (ratio: number): string => (ratio === 0 ? "0" : ratio.toPrecision(2));
