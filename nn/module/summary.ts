/** @file The printed summary of a module: its tree with shapes, and the number of parameters. */

import { parametersIn } from "./fields.ts";
import type { Module } from "./module.ts";

/** The tree of `module`, one module a line, and a last line with the number of parameters. */
export const summary = (module: Module): string =>
  [...treeLines(module, "", "", []), totals(module)].join("\n");

/** Number of elements of the parameters and packed weights of `module`; shared ones count once. */
export function countNumbers(module: Module): number {
  const packed = Array.from(module.namedModules(), ([, one]) => [...(one.packedWeights?.() ?? [])]).flat();
  const held = new Set<{ readonly size: number }>([...module.parameters(), ...packed]);
  return Array.from(held, ({ size }) => size).reduce((sum, size) => sum + size, 0);
}

/** A line for `module` and each module below it. A module inside itself is not printed again. */
function* treeLines(
  module: Module,
  name: string,
  indent: string,
  outer: readonly Module[],
): Generator<string> {
  const parameters = Array.from(
    parametersIn(module),
    ({ name: field, value: { shape, requiresGrad } }) =>
      `${field} [${shape.join(", ")}]${requiresGrad ? "" : " frozen"}`,
  );
  const label = `${module.constructor.name}(${module.describe()})`;
  yield [`${indent}${name ? `${name}: ` : ""}${label}`, ...parameters].join("  ");
  const within = [...outer, module];
  for (const [child, next] of module.children())
    if (!within.includes(next)) yield* treeLines(next, child, `${indent}  `, within);
}

/** One line: the number of parameters, and how many of them train. */
function totals(module: Module): string {
  const parameters = module.parameters();
  const total = countNumbers(module);
  const trainable = parameters.reduce((sum, { size, requiresGrad }) => sum + (requiresGrad ? size : 0), 0);
  const percent = total > 0 ? ((100 * trainable) / total).toFixed(2) : "0";
  return `${total.toLocaleString("en")} parameters, ${trainable.toLocaleString("en")} trainable (${percent} %)`;
}
