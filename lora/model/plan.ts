/** @file What adding an adapter to a model will do, worked out and checked before anything is changed. */

import { AdapterError, random, warn } from "../../core/index.ts";
import {
  defaultRandom,
  isInside,
  listModules,
  type Module,
  matchModules,
  matchPattern,
  matchTargets,
  type NamedModule,
  naming,
} from "../../nn/index.ts";
import { loftqAt } from "../init/loftq.ts";
import { type AdapterConfig, adapterClass, type Placement } from "../methods.ts";
import { AdaptedLayer } from "./adapted-layer.ts";
import type { Adapter } from "./adapter.ts";
import { checkValues } from "./checks.ts";
import { type Place, placesIn } from "./saved-parameters.ts";
import { viewWeight, type WeightView } from "./weight-view.ts";

export interface Plan {
  /** The new adapters by the name of their layer. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** Parameters of the base that the adapter gets copies of. */
  readonly own: readonly Place[];
}

/**
 * The adapters that `config` asks for, made but not yet placed.
 * @throws AdapterError on anything in `config` that cannot be done
 */
export function planAdapters(model: Module, config: AdapterConfig): Plan {
  const { method = "lora", target, exclude, layers, ...rest } = config;
  const { rankPattern = {}, alphaPattern = {}, bias, modulesToSave, seed, ...options } = rest;
  const Method = adapterClass(method);
  const all = [...listModules(model)];
  const saved = inside(all, modulesToSave ?? []);
  const names = matchTargets(all, target, exclude, layers).filter((name) => !saved.has(name));
  if (names.length === 0) throw new AdapterError("target: all that it matches is in modulesToSave");

  const ranks = matchPattern("rankPattern", rankPattern, names, options.rank);
  const alphas = matchPattern("alphaPattern", alphaPattern, names, options.alpha);
  const rng = seed === undefined ? random(defaultRandom().bits()) : random(checkSeed(seed));
  const byName = new Map(all.map((module) => [module.name, module]));
  const planned = names.map((name) => {
    const site = weightAt(byName.get(name) as NamedModule);
    const loftq = options.loftq ? { loftq: loftqAt(name, options.loftq) } : {};
    const sized = { ...options, ...loftq, rank: ranks.get(name) as number, alpha: alphas.get(name) };
    checkValues(sized);
    return { name, site, options: { ...sized, rng: rng.split(name) } };
  });
  const own = ownPlaces(model, all, { names, bias, saved });
  const adapters = new Map(
    planned.map(({ name, site, options }) => [
      name,
      naming(name, AdapterError, () => new Method(site, options)),
    ]),
  );
  warnOf(planned);
  return { adapters, own };
}

function weightAt({ name, module }: NamedModule): WeightView {
  return module instanceof AdaptedLayer ? module.W0 : viewWeight(module, name);
}

/** Names of the modules that `target` means and of those inside them. */
function inside(all: readonly NamedModule[], target: NonNullable<Placement["modulesToSave"]>): Set<string> {
  const matched = matchModules("modulesToSave", all, target);
  const within = (name: string): boolean => [...matched].some((outer) => isInside(name, outer));
  return new Set(all.map(({ name }) => name).filter(within));
}

function ownPlaces(
  model: Module,
  all: readonly NamedModule[],
  { names, bias = "none", saved }: { names: readonly string[]; bias?: string; saved: ReadonlySet<string> },
): Place[] {
  const adapted = all.filter(({ name, module }) => saved.has(name) && module instanceof AdaptedLayer);
  if (adapted.length > 0)
    throw new AdapterError(
      `modulesToSave: another adapter is on ${adapted[0].name}; expected layers without`,
    );
  const copied = all.filter(({ name }) => saved.has(name)).flatMap((module) => [...placesIn(module)]);
  if (saved.size > 0 && copied.length === 0)
    throw new AdapterError(`modulesToSave: ${[...saved].join(", ")} has no parameters`);
  const root = { name: "", module: model };
  const biased: Record<string, readonly Pick<NamedModule, "name" | "module">[]> = {
    none: [],
    all: [root, ...all.filter(({ name }) => !saved.has(name))],
    "lora-only": all.filter(({ name }) => names.includes(name)),
  };
  if (!Object.hasOwn(biased, bias))
    throw new AdapterError(`bias: expected "none", "all" or "lora-only"; got ${JSON.stringify(bias)}`);
  const biases = biased[bias].flatMap((module) =>
    [...placesIn(module)].filter(({ field }) => field === "bias"),
  );
  return [...copied, ...biases];
}

interface Planned {
  readonly name: string;
  readonly site: WeightView;
  readonly options: { readonly rank: number; readonly alpha?: number };
}

/**
 * Warns once for all layers of what the papers' equations allow, though nothing is won by it. (What takes W apart refuses
 * it: init-divided.ts.)
 */
function warnOf(planned: readonly Planned[]): void {
  const tooHigh = planned.filter(({ site, options }) => options.rank > Math.min(site.out, site.in));
  if (tooHigh.length > 0) {
    const [{ name, site, options }] = tooHigh;
    warn(
      `rank ${options.rank} on ${name} [${site.out}, ${site.in}]${andMore(tooHigh)}: the rank of an update is at most ` +
        `${Math.min(site.out, site.in)} there, and W itself has fewer parameters than A and B; rankPattern lowers it`,
    );
  }
  const idle = planned.filter(({ options }) => options.alpha === 0);
  if (idle.length > 0)
    warn(`alpha 0 on ${idle[0].name}${andMore(idle)}: the update is zero, and nothing will be learned`);
}

const andMore = ({ length }: readonly unknown[]): string => (length > 1 ? ` and ${length - 1} more` : "");

function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new AdapterError(`seed: expected an integer from 0 to 2^53 - 1; got ${seed}`);
}
