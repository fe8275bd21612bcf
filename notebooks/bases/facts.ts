/** @file Makes the base `facts`, which knows arbitrary facts by heart: npx tsx notebooks/bases/facts.ts */
import { factDomain, factRows } from "../support/data/facts.ts";
import { makeGPT2 } from "./gpt2.ts";

const [COUNT, SEED, TIME] = [256, 999, 8];
const domain = factDomain(COUNT, SEED);
const recipe = {
  domain,
  d: 32,
  layers: 2,
  heads: 4,
  time: TIME,
  steps: 500,
  rows: COUNT,
  lr: 5e-3,
  seed: 20,
};
const prompts = factRows(COUNT, SEED)
  .known.all.slice(0, 3)
  .map(({ prompt }) => prompt);
makeGPT2("facts", "`facts` of support/data", recipe, { prompts, length: 3, line: true });
