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

import { CheckpointError } from "../core/index.ts";
import type { TargetCandidate } from "./target.ts";

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
export function savedModules(modules: readonly TargetCandidate[], save: readonly string[]): Set<string> {
  const names = modules.map(({ name }) => name);
  const matched = names.filter((name) => save.some((end) => name.endsWith(end)));
  return new Set(
    names.filter((name) => matched.some((outer) => name === outer || name.startsWith(`${outer}.`))),
  );
}

/** Full names of the modules of any kind that get an adapter, in the order of `modules`; all when the target is null. */
export function targetedModules(modules: readonly TargetCandidate[], fields: ModuleFields): string[] {
  const saved = savedModules(modules, fields.save);
  const targeted = nameMatcher("target_modules", fields.target ?? ".*");
  const excluded = nameMatcher("exclude_modules", fields.exclude);
  const inLayers = layerMatcher(fields);
  const isTarget = ({ name, kind }: TargetCandidate): boolean =>
    fields.target === "all-linear" ? kind === "linear" || kind === "conv1d" : targeted(name);
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
  return Object.entries(pattern).map(([key, value]) => {
    const expression = compile(field, key, (source) => `^(?:.*\\.)?(?:${source})$`);
    return { key, value, matches: (name: string): boolean => expression.test(name) };
  });
}

function nameMatcher(field: string, names: string | readonly string[]): (name: string) => boolean {
  if (typeof names !== "string")
    return (name) => names.some((end) => name === end || name.endsWith(`.${end}`));
  const whole = compile(field, names, (source) => `^(?:${source})$`);
  return (name) => whole.test(name);
}

/** Numbers of blocks apply to lists of names only. */
function layerMatcher({ target, layers, layersPattern }: ModuleFields): (name: string) => boolean {
  if (layers === null || typeof target === "string") return () => true;
  const before = layersPattern.length > 0 ? layersPattern : ["[^.]*"];
  const numbers = before.map((pattern) =>
    compile("layers_pattern", pattern, (source) => `^.*?\\.(?:${source})\\.(?<number>\\d+)\\.`),
  );
  return (name) => {
    const match = numbers.map((expression) => expression.exec(name)).find((found) => found !== null);
    return match?.groups !== undefined && layers.includes(Number(match.groups.number));
  };
}

const LONGEST = 4096;
const MOST_REPETITIONS = 6;

/**
 * An expression from a file, which must not be able to keep the machine busy for years.
 * @throws CheckpointError on one that JavaScript does not read as Python does, or that can take exponential time
 */
function compile(field: string, source: string, place: (source: string) => string): RegExp {
  const refuse = (expected: string, cause?: unknown): never => {
    const given = source.length > 120 ? `${source.slice(0, 120)}…` : source;
    throw new CheckpointError(`${field}: expected ${expected}; got ${JSON.stringify(given)}`, { cause });
  };
  if (source.length > LONGEST) refuse(`an expression of at most ${LONGEST} characters`);
  if (/\\[AZ]/.test(source)) refuse("^ and $ for the ends of a name");
  if (!isTame(source)) {
    refuse(`an expression with at most ${MOST_REPETITIONS} repetitions and none inside a repeated group`);
  }
  try {
    return new RegExp(place(source));
  } catch (cause) {
    return refuse("a regular expression", cause);
  }
}

/** Few enough * + {} that backtracking stays polynomial of low degree; no group that has one or a choice is repeated. */
function isTame(source: string): boolean {
  const bare = source.replace(/\\./g, "_").replace(/\[[^\]]*\]/g, "_");
  const repetitions = bare.match(/[*+{]/g)?.length ?? 0;
  if (repetitions > MOST_REPETITIONS) return false;
  const risky: boolean[] = [];
  for (let i = 0; i < bare.length; i++) {
    if (bare[i] === "(") risky.push(false);
    else if (/[*+{|]/.test(bare[i])) risky.fill(true);
    else if (bare[i] === ")" && risky.pop() && /[*+{]/.test(bare[i + 1] ?? "")) return false;
  }
  return true;
}
