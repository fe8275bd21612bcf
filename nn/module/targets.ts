/**
 * @file The language of targets: selects the modules of a model that an adapter goes on, by name.
 *
 * A target is
 *   - a module's full name, or the end of it from a dot on: "attn.c_proj" selects h.0.attn.c_proj, h.1.attn.c_proj, ...
 *     but not h.0.mlp.c_proj, and "proj" selects none of them;
 *   - a regular expression that the full name matches from end to end;
 *   - "all-linear": every linear layer except the output head (QLoRA's choice; Dettmers et al., 2023, §4);
 *   - a list of these, meaning their union.
 *
 * `exclude` removes modules in the same language. `layers` keeps the modules of the blocks with these numbers; a
 * module's number is the first whole number in its name, 3 in transformer.h.3.attn.c_attn.
 *
 * A part of a target that matches nothing is an error: with a misspelt "v_porj" next to "q_proj", half of the adapters
 * would otherwise be missing without notice.
 */

import { AdapterError, fullMatcher, nearest } from "../../core/index.ts";
import { isAdaptable, isInnerLinear, type ModuleKind } from "./kinds.ts";

/** What selects modules: a name, a regular expression, "all-linear", or a list of these. */
export type Target = string | RegExp | readonly (string | RegExp)[];

/** What a target selects by: a module's dotted name and its kind. */
export interface Targetable {
  readonly name: string;
  readonly kind: ModuleKind;
}

/**
 * Names of the modules that `target` selects, in the order of `modules`, each once.
 *
 * Names select among modules that an adapter can go on. Containers and norms that a suffix or a regular expression
 * happens to match are ignored, unless they are all that it matches.
 *
 * @example
 * matchTargets(layout(configurations.gpt2), "attn.c_attn", [], [0, 1]);
 * // ["transformer.h.0.attn.c_attn", "transformer.h.1.attn.c_attn"]
 * @param exclude the modules to leave out, in the same language
 * @param layers numbers of the blocks to keep; all when left out
 * @throws AdapterError when a part of `target` or `exclude` matches nothing (the nearest names are listed), when
 *   `layers` names a block that is not there, or when nothing is left after `exclude` and `layers`.
 */
export function matchTargets(
  modules: readonly Targetable[],
  target: Target,
  exclude: Target = [],
  layers?: readonly number[],
): string[] {
  const adaptable = modules.filter(({ kind }) => isAdaptable(kind));
  const included = matchAll("target", target, adaptable, modules);
  if (included.size === 0)
    throw new AdapterError('target: expected names, a RegExp or "all-linear"; got none');
  const excluded = matchAll("exclude", exclude, adaptable, modules);
  const all = modules.map(({ name }) => name);
  const blocks = layers && checkLayers(layers, all);

  const matched = all.filter((name) => included.has(name));
  const kept = matched.filter((name) => !excluded.has(name));
  const names = blocks ? kept.filter((name) => blocks.has(layerNumber(name) ?? -1)) : kept;
  if (names.length === 0) {
    const why =
      kept.length === 0 ? `exclude ${show(exclude)} takes all of them away` : `none is in layers ${layers}`;
    throw new AdapterError(
      `target: ${show(target)} matches ${matched.length === 1 ? "a module" : `${matched.length} modules`}, but ${why}`,
    );
  }
  return names;
}

/**
 * Names of the modules of any kind, norms included, that `target` selects.
 * @param option the option whose value `target` is, for messages
 * @throws AdapterError when a part of `target` matches nothing.
 */
export function matchModules(
  option: string,
  modules: readonly Targetable[],
  target: Target,
): ReadonlySet<string> {
  return matchAll(option, target, modules, modules);
}

/**
 * The value that a pattern of PEFT's form (`rank_pattern`, `alpha_pattern`) gives each of `names`, else `fallback`.
 * A key is a regular expression in Python's language that a name must end with, from a dot on; the first key that
 * matches decides.
 *
 * @throws AdapterError when a key is no regular expression or fits none of `names`.
 */
export function matchPattern<T>(
  option: string,
  pattern: Readonly<Record<string, T>>,
  names: readonly string[],
  fallback: T,
): Map<string, T> {
  const rules = Object.entries(pattern).map(([key, value]) => ({
    key,
    value,
    matches: endsWithPattern(option, key),
  }));
  for (const { key, matches } of rules) {
    if (!names.some(matches)) throw unmatched(option, key, names);
  }
  return new Map(
    names.map((name) => [name, (rules.find((rule) => rule.matches(name)) ?? { value: fallback }).value]),
  );
}

/** True when `end` is a module's full name, or the end of it from a dot on: "attn.c_proj" is h.0.attn.c_proj. */
export const endsInName = (name: string, end: string): boolean => name === end || name.endsWith(`.${end}`);

/** The expression, in Python's language, for whole names that end with `key` from a dot on: how PEFT reads a pattern's key. */
export const endExpression = (key: string): string => `(.*\\.)?(${key})$`;

/** True for the module `outer` itself and for every module inside it, by their names. */
export const isInside = (name: string, outer: string): boolean =>
  name === outer || name.startsWith(`${outer}.`);

/** Number of the block a module belongs to: the first whole number among the parts of its name. */
export function layerNumber(name: string): number | undefined {
  const number = blockName(name)?.split(".").at(-1);
  return number === undefined ? undefined : Number(number);
}

/** Name of the block a module belongs to: transformer.h.3 for transformer.h.3.attn.c_attn. */
export function blockName(name: string): string | undefined {
  const parts = name.split(".");
  const place = parts.findIndex((part) => /^\d+$/.test(part));
  return place < 0 ? undefined : parts.slice(0, place + 1).join(".");
}

/** `layers` as a set. @throws AdapterError when it is empty, or a number is not that of a block in `names` */
export function checkLayers(layers: readonly number[], names: readonly string[]): Set<number> {
  if (!Array.isArray(layers))
    throw new AdapterError(`layers: expected a list of numbers of blocks; got ${JSON.stringify(layers)}`);
  const present = new Set(names.map(layerNumber).filter((number) => number !== undefined));
  const absent = layers.filter((layer) => !present.has(layer));
  if (layers.length === 0 || absent.length > 0) {
    const range = present.size > 0 ? `${Math.min(...present)} to ${Math.max(...present)}` : "it has none";
    const given = layers.length === 0 ? "none" : absent.join(", ");
    throw new AdapterError(`layers: expected numbers of blocks of this model (${range}); got ${given}`);
  }
  return new Set(layers);
}

/**
 * The module names most similar to `wanted`. Names are cut to the number of dotted parts that `wanted` has, so that the
 * suffix "q_porj" is compared with "q_proj" and not with model.layers.0.self_attn.q_proj.
 * @param count the most names to return
 */
export function nearestNames(wanted: string, names: readonly string[], count = 3): string[] {
  return nearest(wanted, lastParts(names, wanted.split(".").length)).slice(0, count);
}

/** The distinct ends of `names`, `parts` dotted parts long. */
function lastParts(names: readonly string[], parts: number): string[] {
  return [...new Set(names.map((name) => name.split(".").slice(-parts).join(".")))];
}

/** Names of the `candidates` that `target` selects. All `modules` are needed only to explain why nothing matches. */
function matchAll(
  option: string,
  target: Target,
  candidates: readonly Targetable[],
  modules: readonly Targetable[],
): Set<string> {
  return new Set(listOf(option, target).flatMap((one) => matchOne(option, one, candidates, modules)));
}

function matchOne(
  option: string,
  target: string | RegExp,
  candidates: readonly Targetable[],
  modules: readonly Targetable[],
): string[] {
  const matches = predicate(target);
  const names = candidates.filter(matches).map(({ name }) => name);
  if (names.length > 0) return names;

  const others = modules.filter(matches);
  if (others.length > 0) {
    const found = `${others[0].name}${others.length > 1 ? ` and ${others.length - 1} more` : ""}`;
    throw new AdapterError(`${option}: ${show(target)} matches only modules that take no adapter: ${found}`);
  }
  if (target === "all-linear" && candidates.some(({ kind }) => kind === "head")) {
    const head = candidates.filter(({ kind }) => kind === "head").map(({ name }) => name);
    throw new AdapterError(
      `${option}: "all-linear" leaves output heads out, and the model's only linear layers are such: name ${head.join(", ")}`,
    );
  }
  throw unmatched(
    option,
    target,
    candidates.map(({ name }) => name),
  );
}

function predicate(target: string | RegExp): (module: Targetable) => boolean {
  if (target === "all-linear") return ({ kind }) => isInnerLinear(kind);
  if (typeof target === "string") return ({ name }) => endsInName(name, target);
  const whole = new RegExp(`^(?:${target.source})$`, target.flags.replace(/[gy]/g, "")); // g and y keep state between calls
  return ({ name }) => whole.test(name);
}

function endsWithPattern(option: string, key: string): (name: string) => boolean {
  try {
    return fullMatcher(endExpression(key));
  } catch (cause) {
    throw new AdapterError(
      `${option}: expected keys that are names or regular expressions; got "${key}"; as Python reads them, as PEFT does: ` +
        `expected ${(cause as Error).message}`,
      { cause },
    );
  }
}

function listOf(option: string, target: Target): readonly (string | RegExp)[] {
  const list = Array.isArray(target) ? (target as readonly (string | RegExp)[]) : [target as string | RegExp];
  for (const one of list) {
    if (!(one instanceof RegExp) && (typeof one !== "string" || one === "")) {
      throw new AdapterError(`${option}: expected a name, a RegExp or "all-linear"; got ${show(one)}`);
    }
  }
  return list;
}

function unmatched(option: string, wanted: string | RegExp, names: readonly string[]): AdapterError {
  const hint =
    typeof wanted === "string"
      ? `nearest names: ${nearestNames(wanted, names).join(", ")}`
      : `names end in ${lastParts(names, 1).slice(0, 12).join(", ")}`;
  const given = `${option}: ${show(wanted)} matches no module`;
  return new AdapterError(
    names.length > 0 ? `${given}; ${hint}` : `${given}: the model has none that take adapters`,
  );
}

function show(target: unknown): string {
  if (Array.isArray(target)) return `[${target.map(show).join(", ")}]`;
  return typeof target === "string" ? JSON.stringify(target) : String(target);
}
