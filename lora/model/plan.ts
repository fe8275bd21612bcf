/** @file The plan of adding an adapter: which layers get one and with which options, checked before anything is changed. */

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
import { type AdapterConfig, methodOf } from "../methods.ts";
import { AdaptedLayer } from "./adapted-layer.ts";
import type { Adapter } from "./adapter.ts";
import { checkValues } from "./checks.ts";
import type { Placement } from "./method.ts";
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
  const { method, target, exclude, layers, ...rest } = config;
  const { rankPattern = {}, alphaPattern = {}, bias, modulesToSave, seed, ...options } = rest;
  const definition = methodOf(method);
  const all = [...listModules(model)];
  const saved = inside(all, modulesToSave ?? []);
  const names = matchTargets(all, target, exclude, layers).filter((name) => !saved.has(name));
  if (names.length === 0) throw new AdapterError("target: all that it matches is in modulesToSave");

  const ranks = matchPattern("rankPattern", rankPattern, names, options.rank);
  const alphas = matchPattern("alphaPattern", alphaPattern, names, options.alpha);
  const rng = seed === undefined ? random(defaultRandom().bits()) : random(checkSeed(seed));
  const byName = new Map(all.map((module) => [module.name, module]));
  const planned = names.map((name) => {
    const W0 = weightAt(byName.get(name) as NamedModule);
    const loftq = options.loftq ? { loftq: loftqAt(name, options.loftq) } : {};
    const sized = { ...options, ...loftq, rank: ranks.get(name) as number, alpha: alphas.get(name) };
    checkValues(sized);
    return { name, W0, options: { ...sized, rng: rng.split(name) } };
  });
  const own = ownPlaces(model, all, { names, bias, saved });
  const shared = definition.shared?.(largestOf(planned), options as never, rng.split("shared"));
  // checkConfig has seen that the options are those of the class; their types are those of inject's signature.
  const make = ({ W0, options }: Planned): Adapter =>
    new definition.adapter(W0, { ...options, ...(shared !== undefined && { shared }) } as never);
  const adapters = new Map(planned.map((one) => [one.name, naming(one.name, AdapterError, () => make(one))]));
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

/** The largest sizes among the layers. */
function largestOf(planned: readonly Planned[]): { rank: number; in: number; out: number } {
  const largest = (size: (one: Planned) => number): number => Math.max(...planned.map(size));
  return {
    rank: largest(({ options }) => options.rank),
    in: largest(({ W0 }) => W0.in),
    out: largest(({ W0 }) => W0.out),
  };
}

interface Planned {
  readonly name: string;
  readonly W0: WeightView;
  readonly options: { readonly rank: number; readonly alpha?: number };
}

/**
 * Warns, once for all layers, about settings that the papers' equations allow but that are probably mistakes: a rank
 * above min(out, in), and α = 0. (PiSSA, OLoRA and LoftQ refuse them: init/residual.ts.)
 */
function warnOf(planned: readonly Planned[]): void {
  const tooHigh = planned.filter(({ W0, options }) => options.rank > Math.min(W0.out, W0.in));
  if (tooHigh.length > 0) {
    const [{ name, W0, options }] = tooHigh;
    warn(
      `rank ${options.rank} on ${name} [${W0.out}, ${W0.in}]${andMore(tooHigh)}: the rank of an update is at most ` +
        `${Math.min(W0.out, W0.in)} there, and W itself has fewer parameters than A and B; rankPattern lowers it`,
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
