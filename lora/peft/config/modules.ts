/**
 * @file Which modules PEFT means: target_modules, exclude_modules, layers_to_transform, modules_to_save, rank_pattern.
 *
 *     list of names     a module's full name, or the end of it from a dot on
 *     text              a regular expression that the full name matches from end to end; or "all-linear"
 *     pattern's key     a regular expression that the full name ends with, from a dot on; the first that fits decides
 *     modules_to_save   the end of the full name, from anywhere on
 *
 * Unlike in this library's own language, a name that matches nothing is passed over.
 */

import { CheckpointError, fullMatcher } from "../../../core/index.ts";
import { endExpression, endsInName, isInnerLinear, isInside, type Targetable } from "../../../nn/index.ts";

/** The fields that choose modules. */
export interface ModuleFields {
  /** Null: the tensors of the file tell. */
  readonly target: string | readonly string[] | null;
  readonly exclude: string | readonly string[];
  /** Numbers of blocks; null for all. */
  readonly layers: readonly number[] | null;
  /** What stands before these numbers in a name; anything when empty. */
  readonly layersPattern: readonly string[];
  readonly save: readonly string[];
}

/** Full names of the modules that `save` means, and of all inside them. */
export function savedModules(modules: readonly Targetable[], save: readonly string[]): Set<string> {
  const names = modules.map(({ name }) => name);
  const matched = names.filter((name) => save.some((end) => name.endsWith(end)));
  return new Set(names.filter((name) => matched.some((outer) => isInside(name, outer))));
}

/** Full names of the modules of any kind that get an adapter, in the order of `modules`; all when the target is null. */
export function targetedModules(modules: readonly Targetable[], fields: ModuleFields): string[] {
  const saved = savedModules(modules, fields.save);
  const targeted = nameMatcher("target_modules", fields.target ?? ".*");
  const excluded = nameMatcher("exclude_modules", fields.exclude);
  const inLayers = layerMatcher(fields);
  const isTarget = ({ name, kind }: Targetable): boolean =>
    fields.target === "all-linear" ? isInnerLinear(kind) : targeted(name);
  return modules
    .filter((module) => isTarget(module) && !saved.has(module.name))
    .map(({ name }) => name)
    .filter((name) => !excluded(name) && inLayers(name));
}

/** The value that a pattern gives to a name, else `fallback`. */
export function patternValues<T>(
  field: string,
  pattern: Readonly<Record<string, T>>,
  fallback: T,
): (name: string) => T {
  const rules = patternRules(field, pattern);
  return (name) => (rules.find(({ matches }) => matches(name)) ?? { value: fallback }).value;
}

/** The entries of a pattern that fit one of `names` at least. */
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

/** Numbers of blocks apply to lists of names only. A module's number is the first that stands after the pattern. */
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
 * An expression from a file, in Python's language; `place` puts it where PEFT does.
 * @throws CheckpointError on what is none, or is not supported
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
