/** @file Checks that the settings of a run go together, before anything is read. */

import { LowrankError } from "../../../../core/index.ts";
import { methodsWith } from "./methods.ts";
import type { RunSettings, SettingName } from "./settings.ts";

/** An option as it is typed: `--lora-plus-ratio`. */
export const spelled = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** @throws LowrankError when settings contradict each other, or one has no effect */
export function checkSettings(settings: RunSettings): void {
  const given = (name: SettingName): boolean => {
    const value = settings[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  };
  const refuse = (message: string): never => {
    throw new LowrankError(message);
  };
  const together = (a: SettingName, b: SettingName): void => {
    if (given(a) && given(b)) refuse(`${spelled(a)}, ${spelled(b)}: expected one of them; got both`);
  };
  if (!given("base")) refuse("--base: expected the folder of the base model");
  if (!given("text") && !given("data"))
    refuse("--text or --data: expected a file to train on (plain text, or JSON lines)");
  together("text", "data");
  together("steps", "epochs");
  together("validation", "validationText");
  together("validation", "validationData");
  if (given("validationText") && given("data"))
    refuse("--validation-text: for runs on --text; expected --validation-data");
  if (given("validationData") && given("text"))
    refuse("--validation-data: for runs on --data; expected --validation-text");
  if (given("text") && settings.lossOn === "all") refuse("--loss-on: for --data; all of a --text counts");
  for (const name of Object.keys(settings) as SettingName[]) {
    const having = methodsWith(name);
    if (given(name) && having && !having.includes(settings.method))
      refuse(`${spelled(name)}: an option of ${having.join(", ")}; the method is ${settings.method}`);
  }
  const validates = given("validation") || given("validationText") || given("validationData");
  for (const name of ["evaluateEvery", "patience", "keepBest"] as const)
    if (given(name) && !validates)
      refuse(`${spelled(name)}: needs something to validate on: --validation 0.1, or a file`);
  if (given("pagedBudget") && settings.optimizer !== "paged")
    refuse(`--paged-budget: for --optimizer paged; the optimizer is ${settings.optimizer}`);
  if (settings.correctGradient && settings.optimizer !== "adamw")
    refuse(`--correct-gradient: with --optimizer adamw; got ${settings.optimizer}`);
  if (settings.steps !== undefined && settings.warmup > settings.steps)
    refuse(`--warmup: expected at most the steps, ${settings.steps}; got ${settings.warmup}`);
  if (settings.init === "loftq" && settings.quantize === undefined)
    refuse("--init loftq: starts from what quantizing the base loses; expected --quantize nf4 with it");
}
