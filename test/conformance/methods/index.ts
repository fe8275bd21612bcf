/** @file Every method that cases may ask for. To add one: a function in the file of its group. */

import { adalora } from "./adalora.ts";
import { dora } from "./dora.ts";
import { lora } from "./lora.ts";
import { type Method, NotBuilt } from "./method.ts";
import { modelAdapters } from "./model-adapters.ts";
import { models } from "./models.ts";
import { nnLayers } from "./nn-layers.ts";
import { nnOps } from "./nn-ops.ts";
import { optim } from "./optim.ts";
import { qlora } from "./qlora.ts";
import { quant } from "./quant.ts";
import { rates } from "./rates.ts";

/** Methods that the library does not have yet: their cases are skipped. */
const notBuilt: readonly string[] = [];

const skip = (name: string): [string, Method] => [
  name,
  () => {
    throw new NotBuilt(name);
  },
];

/** By name. One that ends in "*" stands for all that begin so: variants that differ in their params only. */
const methods = Object.entries<Method>({
  ...Object.fromEntries(notBuilt.map(skip)),
  ...nnOps,
  ...nnLayers,
  ...optim,
  ...lora,
  ...adalora,
  ...dora,
  ...qlora,
  ...quant,
  ...rates,
  ...models,
  ...modelAdapters,
});

/** The method of that name; undefined when nobody knows it. */
export function findMethod(name: string): Method | undefined {
  const fitting = methods.filter(([key]) =>
    key.endsWith("*") ? name.startsWith(key.slice(0, -1)) : name === key,
  );
  return fitting.sort(([a], [b]) => b.length - a.length)[0]?.[1]; // the longest name is the closest
}
