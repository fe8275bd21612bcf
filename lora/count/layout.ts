/** @file What the rules of counting share: modules and blocks by name, and counts of them. */

import { ArgumentError, sizeOf } from "../../core/index.ts";
import { blockName, type ModuleLayout, matchModules, type Target, type Targetable } from "../../nn/index.ts";

/** What one module, or one block, contributes. */
export interface ModuleCount {
  readonly name: string;
  readonly trainable: number;
  /** Parameters that the base model does not have, trained or frozen. */
  readonly added: number;
}

/** Counts what a method trains, module by module, on a model of width d. */
export type Rule<Spec> = (modules: readonly ModuleLayout[], spec: Spec, d: number) => ModuleCount[];

/** New parameters, all trained. */
export function added(name: string, count: number): ModuleCount {
  return { name, trainable: count, added: count };
}

/** Parameters of the base model that train in their places. */
export function inPlace(name: string, count: number): ModuleCount {
  return { name, trainable: count, added: 0 };
}

/** The bias of a module; none when it has none. */
export function biasOf({ name, parameters }: ModuleLayout): ModuleCount[] {
  const bias = parameters.find((parameter) => parameter.name === `${name}.bias`);
  return bias ? [inPlace(bias.name, sizeOf(bias.shape))] : [];
}

/** Names of the blocks, in order. */
export function blocksOf(modules: readonly ModuleLayout[]): string[] {
  return [...new Set(namesOf(modules).map(blockName))].filter((block) => block !== undefined);
}

export function namesOf(modules: readonly ModuleLayout[]): string[] {
  return modules.map(({ name }) => name);
}

/** Names of the modules that `target` means and of those inside them. `option` names the target in messages. */
export function within(modules: readonly ModuleLayout[], option: string, target: Target): Set<string> {
  const matched = matchModules(option, withContainers(modules), target);
  return new Set(
    namesOf(modules).filter((name) => [...containersOf(name), name].some((part) => matched.has(part))),
  );
}

/** The modules and the containers that their names speak of, as a real model lists them. */
export function withContainers(modules: readonly ModuleLayout[]): Targetable[] {
  const containers = new Set(namesOf(modules).flatMap(containersOf));
  return [...[...containers].map((name) => ({ name, kind: "other" as const })), ...modules];
}

/** a, a.b, a.b.c for a.b.c.d. */
function containersOf(name: string): string[] {
  const parts = name.split(".");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("."));
}

/** @throws ArgumentError unless `value` is an integer of at least `least` */
export function checkInteger(name: string, value: number | undefined, least: number): number {
  if (value === undefined || !Number.isSafeInteger(value) || value < least) {
    throw new ArgumentError("countParameters", `${name} to be an integer of at least ${least}`, {
      [name]: value,
    });
  }
  return value;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
