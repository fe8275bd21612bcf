/**
 * @file The modules that PEFT's fields mean: target_modules, exclude_modules, layers_to_transform, modules_to_save and
 * the keys of rank_pattern.
 *
 *     list of names     a module's full name, or the end of it from a dot on
 *     text              a regular expression that the full name matches from end to end; or "all-linear"
 *     pattern's key     a regular expression that the full name ends with, from a dot on; the first that fits decides
 *     modules_to_save   the end of the full name, from anywhere on
 *     target_parameters a parameter's full name, or the end of it from a dot on
 *
 * Unlike in this library's own targets, a name that matches nothing is ignored.
 */

import { CheckpointError, fullMatcher } from "../../../core/index.ts";
import { endExpression, endsInName, isInnerLinear, isInside, type Targetable } from "../../../nn/index.ts";

/** The fields that choose modules. */
export interface ModuleFields {
  /** target_modules; null when the tensors of the file say which layers are adapted. */
  readonly target: string | readonly string[] | null;
  /** exclude_modules. */
  readonly exclude: string | readonly string[];
  /** layers_to_transform: numbers of blocks; null for all. */
  readonly layers: readonly number[] | null;
  /** layers_pattern: what comes before these numbers in a name; anything when empty. */
  readonly layersPattern: readonly string[];
  /** modules_to_save. */
  readonly save: readonly string[];
  /** target_parameters: the ends of parameters' names. */
  readonly parameters: readonly string[];
}

/** Full names of the modules that modules_to_save means, and of all modules inside them. */
export function savedModules(modules: readonly Targetable[], save: readonly string[]): Set<string> {
  const names = modules.map(({ name }) => name);
  const matched = names.filter((name) => save.some((end) => name.endsWith(end)));
  return new Set(names.filter((name) => matched.some((outer) => isInside(name, outer))));
}

/** Whether the weight of a module is among target_parameters. */
export const isParameterTarget = (name: string, { parameters }: Pick<ModuleFields, "parameters">): boolean =>
  parameters.some((end) => endsInName(`${name}.weight`, end));

/**
 * Full names of the modules, of any kind, that the fields choose, in the order of `modules`; all when the target is null and
 * no parameters are targeted.
 */
export function targetedModules(modules: readonly Targetable[], fields: ModuleFields): string[] {
  const saved = savedModules(modules, fields.save);
  const { target = null, parameters } = fields;
  const targeted = nameMatcher("target_modules", target ?? (parameters.length > 0 ? [] : ".*"));
  const excluded = nameMatcher("exclude_modules", fields.exclude);
  const inLayers = layerMatcher(fields);
  const isTarget = ({ name, kind }: Targetable): boolean =>
    fields.target === "all-linear" ? isInnerLinear(kind) : targeted(name);
  const isChosen = (module: Targetable): boolean =>
    isTarget(module) && !excluded(module.name) && inLayers(module.name);
  return modules
    .filter((module) => !saved.has(module.name))
    .filter((module) => isChosen(module) || isParameterTarget(module.name, fields))
    .map(({ name }) => name);
}

/** The value that a pattern gives to the name of a layer; `fallback` when no key fits it. */
export function patternValues<T>(
  field: string,
  pattern: Readonly<Record<string, T>>,
  fallback: T,
): (name: string) => T {
  const rules = patternRules(field, pattern);
  return (name) => (rules.find(({ matches }) => matches(name)) ?? { value: fallback }).value;
}

/** The entries of a pattern whose key fits one of `names`. */
export function usedPattern<T>(
  field: string,
  pattern: Readonly<Record<string, T>>,
  names: readonly string[],
): Record<string, T> {
  const used = patternRules(field, pattern).filter(({ matches }) => names.some(matches));
  return Object.fromEntries(used.map(({ key, value }) => [key, value]));
}

function patternRules<T>(field: string, pattern: Readonly<Record<string, T>>) {
  return Object.entries(pattern).map(([key, value]) => ({
    key,
    value,
    matches: compile(field, key, endExpression),
  }));
}

function nameMatcher(field: string, names: string | readonly string[]): (name: string) => boolean {
  if (typeof names === "string") return compile(field, names);
  return (name) => names.some((end) => endsInName(name, end));
}

/**
 * Whether a module is in the blocks that the fields name. PEFT applies numbers of blocks to lists of names only. The number
 * of a module is the first one after the pattern.
 */
function layerMatcher({ target, layers, layersPattern }: ModuleFields): (name: string) => boolean {
  if (layers === null || typeof target === "string") return () => true;
  const patterns = layersPattern.length > 0 ? layersPattern : ["[^.]*"];
  const before = patterns.map((pattern) => compile("layers_pattern", pattern, (source) => `.*\\.${source}`));
  return (name) => {
    const numbers = [...name.matchAll(/\.(\d+)(?=\.)/g)];
    const found = before.flatMap(
      (matches) => numbers.find(({ index }) => matches(name.slice(0, index))) ?? [],
    );
    return found.length > 0 && layers.includes(Number(found[0][1]));
  };
}

/**
 * Compiles an expression from a file, in Python's syntax.
 * @param place puts the expression into a larger one, as PEFT does
 * @throws CheckpointError naming the field when it is no expression, or one that is not supported
 */
function compile(
  field: string,
  source: string,
  place: (source: string) => string = (whole) => whole,
): (name: string) => boolean {
  const explained = <T>(run: () => T): T => {
    try {
      return run();
    } catch (cause) {
      const given = source.length > 120 ? `${source.slice(0, 120)}…` : source;
      throw new CheckpointError(
        `${field}: expected a regular expression, as Python reads it: ${(cause as Error).message}; got ${JSON.stringify(given)}`,
        { cause },
      );
    }
  };
  const matches = explained(() => fullMatcher(place(source)));
  return (name) => explained(() => matches(name));
}

/** The name of the module that a parameter is in. */
export const moduleOf = ({ name, field }: { readonly name: string; readonly field: string }): string =>
  name.slice(0, Math.max(0, name.length - field.length - 1));

/** An expression for these names and no others. */
export const exactly = (names: readonly string[]): RegExp => new RegExp(names.map(escaped).join("|"));

/** An expression for this name and no other. */
export const escaped = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
