/** @file The methods that PEFT's files can hold: those of lora/methods.ts with a form for PEFT, and those of forms/. */

import { type Method, methods } from "../methods.ts";
import type { MethodDefinition, PeftForm } from "../model/method.ts";
import { loraBias } from "./forms/lora-bias.ts";
import { loraGrouped } from "./forms/lora-grouped.ts";

/** The name of a method of PEFT's files. */
export type PeftMethod = Method | "lora-bias" | "lora-grouped";

const definitions: readonly MethodDefinition[] = [...Object.values(methods), loraBias, loraGrouped];
const withForm = definitions.filter(({ peft }) => peft);

/** Names of the methods that PEFT's files can hold. */
export const peftMethods: readonly string[] = withForm.map(({ name }) => name);

/**
 * The form of a method by its name; undefined when PEFT's files cannot hold it.
 * @param given the method as its adapter's configuration has it: one of your own brings its own form
 */
export function formFor(name: string, given?: string | MethodDefinition): PeftForm | undefined {
  if (typeof given === "object" && given.name === name) return given.peft;
  return definitions.find((one) => one.name === name)?.peft;
}

/** The form of each of them; the order decides as which method a file is read. */
export const peftForms: readonly PeftForm[] = withForm.map(({ peft }) => peft as PeftForm);

/** The form of a method that PEFT's files can hold. */
export const formOf = (method: PeftMethod): PeftForm => formFor(method) as PeftForm;

/** A method as `inject` takes it. */
export const methodFor = (method: PeftMethod): Method | MethodDefinition =>
  method === "lora-bias" ? loraBias : method === "lora-grouped" ? loraGrouped : method;

/** The method as which a configuration is read; undefined when PEFT has none like it. */
export const methodOfForm = (
  type: PeftForm["type"],
  useDora: boolean,
  withBias: boolean,
): PeftMethod | undefined =>
  withForm.find(({ peft }) => {
    const form = peft as PeftForm;
    return form.type === type && form.useDora === useDora && (form.loraBias ?? false) === withBias;
  })?.name as PeftMethod | undefined;
