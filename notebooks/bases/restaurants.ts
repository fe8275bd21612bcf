/** @file Bases that know how to put a restaurant's facts into words, in any of 54 styles. */
import { random } from "lowrank/core";
import { taskDomain } from "../support/data/domain.ts";
import { anyStyle } from "../support/data/house-style.ts";
import type { BaseName } from "../support/experiments/bases.ts";
import { makeGPT2 } from "./gpt2.ts";

/** Rows of the house's prompts are as long as those of the classifications. */
const TIME = 79;

/** Trains a base and writes it. */
export function restaurants(
  name: BaseName,
  { d, steps, seed }: { readonly d: number; readonly steps: number; readonly seed: number },
): void {
  const domain = taskDomain(anyStyle, { time: TIME, test: 64, random: random(10) });
  const recipe = { domain, d, layers: 4, heads: 4, time: TIME, steps, rows: 12, lr: 3e-3, seed };
  const prompts = ["Aromi Thai cheap river>", "Zizzi French pricey docks>", "Mill Indian modest centre>"];
  makeGPT2(name, "`anyStyle` of support/data", recipe, { prompts, length: 50, line: true });
}
