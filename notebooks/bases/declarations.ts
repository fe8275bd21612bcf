/** @file Makes the base `declarations`, which knows TypeScript declarations: npx tsx notebooks/bases/declarations.ts */
import { farShift } from "../support/data/declarations.ts";
import { textDomain } from "../support/data/domain.ts";
import { makeGPT2 } from "./gpt2.ts";

const TIME = 79;
const domain = textDomain("declarations", farShift().source, { time: TIME, windows: 512 });
const recipe = { domain, d: 64, layers: 4, heads: 4, time: TIME, steps: 3000, rows: 12, lr: 3e-3, seed: 20 };
const sample = { prompts: ["export function ", "interface ", "    readonly "], length: 60, line: false };
makeGPT2("declarations", "the code of `@types/node`", recipe, sample);
