/** @file A process that saves without end, to be killed: `tsx saver-loop.ts FOLDER`. Prints "saving" when it has begun. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parameter, tensor } from "lowrank/autograd";
import { random } from "lowrank/core";
import { PagedAdamW } from "lowrank/quant";
import { savers, train } from "./savers.ts";

const [, , folder] = process.argv;
for (const name of [...Object.keys(savers), "fit"]) mkdirSync(join(folder, name));
const weight = parameter(tensor(random(1).normal(64)));
const paged = new PagedAdamW([weight], { lr: 0.1, budget: 128, pageBytes: 128, folder });
for (let state = 0; ; state = 1 - state) {
  for (const [name, { save }] of Object.entries(savers)) save(join(folder, name), state);
  train(join(folder, "fit"), 3);
  weight.mul(weight).sum().backward();
  paged.step();
  paged.zeroGrad();
  if (state === 1) process.stdout.write("saving");
}
