/** @file The methods that PEFT's files can hold: those of lora/methods.ts with a form for PEFT. */

import { type Method, methods } from "../methods.ts";
import type { MethodDefinition, PeftForm } from "../model/method.ts";

/** A method of this library. */
export type PeftMethod = Method;

const withForm = Object.values(methods).filter((method: MethodDefinition) => method.peft);

/** Names of the methods that PEFT's files can hold. */
export const peftMethods: readonly string[] = withForm.map(({ name }) => name);

/**
 * The form of a method by its name; undefined when PEFT's files cannot hold it.
 * @param given the method as its adapter's configuration has it: one of your own brings its own form
 */
export function formFor(name: string, given?: string | MethodDefinition): PeftForm | undefined {
  if (typeof given === "object" && given.name === name) return given.peft;
  const method: MethodDefinition | undefined = Object.hasOwn(methods, name)
    ? methods[name as Method]
    : undefined;
  return method?.peft;
}

/** The form of each of them; the order decides as which method a file is read. */
export const peftForms: readonly PeftForm[] = withForm.map(({ peft }: MethodDefinition) => peft as PeftForm);

/** The form of a method that PEFT's files can hold. */
export const formOf = (method: Method): PeftForm => (methods[method] as MethodDefinition).peft as PeftForm;

/** The method as which a configuration is read; undefined when PEFT has none like it. */
export const methodOfForm = (type: PeftForm["type"], useDora: boolean): Method | undefined =>
  (Object.keys(methods) as Method[]).find((method) => {
    const { peft }: MethodDefinition = methods[method];
    return peft !== undefined && peft.type === type && peft.useDora === useDora;
  });
