/**
 * @file The methods that a run can train, by the names of the command line: which adapter each is, which options are its
 * own, and the number of steps of AdaLoRA's schedule.
 */

import { LowrankError } from "../../../../core/index.ts";
import type { Target } from "../../../../nn/index.ts";
import { type AdapterConfig, type AllocatorOptions, methods } from "../../../index.ts";
import { choice, type Flag } from "../../flags.ts";
import type { RunSettings, SettingName } from "./settings.ts";

/** A method of the command line. */
interface RunMethod {
  /** The method of `inject`. */
  readonly method: "lora" | "dora" | "adalora" | "lora-fa";
  readonly summary: string;
  readonly rankStabilized?: true;
  /** λ of LoRA+ where `--lora-plus-ratio` is not given. @default 1: plain rates */
  readonly ratio?: number;
}

/** The methods by name. */
export const runMethods = {
  lora: { method: "lora", summary: "LoRA" },
  rslora: { method: "lora", summary: "LoRA, scaled by α/√r", rankStabilized: true },
  dora: { method: "dora", summary: "DoRA: magnitude and direction apart" },
  adalora: { method: "adalora", summary: "AdaLoRA: a falling budget of singular values" },
  "lora-fa": { method: "lora-fa", summary: "LoRA-FA: A stays as drawn" },
  "lora+": { method: "lora", summary: "LoRA+: a higher rate for B", ratio: 16 },
} as const satisfies Record<string, RunMethod>;

/** The name of a method of the command line. */
export type RunMethodName = keyof typeof runMethods;

const names = Object.keys(runMethods) as RunMethodName[];
const named = choice("the method", names, { default: "lora" });

/** `--method`. */
export const methodOption: Flag<RunMethodName> = {
  ...named,
  parse(given, option) {
    if (/^(full|none|fine-?tuning|bitfit)$/i.test(given))
      throw new LowrankError(
        `${option}: expected a method that trains an adapter, one of ${names.join(", ")}; got ${JSON.stringify(given)}`,
      );
    return named.parse(given.toLowerCase(), option);
  },
};

/** The options of `inject` that only some methods have, as the methods' own lists say. */
const ofAdapters = ["init", "normGradient"] as const;

/** The options of a recipe of training, and the methods that have it. */
const recipes: Readonly<Partial<Record<SettingName, readonly RunMethodName[]>>> = {
  correctGradient: ["lora-fa"],
  loraPlusRatio: ["lora+", "lora", "rslora", "dora"],
  loraPlusEmbeddingLr: ["lora+"],
  ...Object.fromEntries(
    (["initRank", "budget", "tinit", "tfinal", "deltaT", "beta1", "beta2", "orthogonality"] as const).map(
      (name) => [name, ["adalora"]],
    ),
  ),
};

/** The methods that an option is for; null when it is for all. */
export function methodsWith(option: SettingName): readonly RunMethodName[] | null {
  if (!ofAdapters.includes(option as never)) return recipes[option] ?? null;
  return names.filter((name) =>
    (methods[runMethods[name].method].adapter.options as readonly string[]).includes(option),
  );
}

/** The configuration of the run's adapter, for `inject`. */
export function adapterConfig(settings: RunSettings): AdapterConfig {
  const { alpha, dropout, target, exclude, layers, bias, modulesToSave, init, normGradient, seed } = settings;
  const { method, rankStabilized }: RunMethod = runMethods[settings.method];
  const patterns = {
    rankPattern: pattern("--rank-pattern", settings.rankPattern),
    alphaPattern: pattern("--alpha-pattern", settings.alphaPattern),
  };
  return {
    method,
    target: target.length > 0 ? targetOf(target) : "all-linear",
    ...(exclude.length > 0 && { exclude: targetOf(exclude) }),
    ...(layers.length > 0 && { layers }),
    ...patterns,
    bias,
    ...(modulesToSave.length > 0 && { modulesToSave: targetOf(modulesToSave) }),
    seed,
    rank: method === "adalora" ? initialRank(settings) : settings.rank,
    alpha,
    dropout,
    ...(rankStabilized && { rankStabilized }),
    ...(init !== undefined && init !== "loftq" && { init }), // loftq.ts
    ...(normGradient && { normGradient }),
  } as AdapterConfig;
}

/** AdaLoRA's rank at the start. */
export const initialRank = ({ rank, initRank }: RunSettings): number => initRank ?? Math.ceil(1.5 * rank);

/** λ = η_B/η_A. */
export const ratioOf = ({ method, loraPlusRatio }: RunSettings): number =>
  loraPlusRatio ?? (runMethods[method] as RunMethod).ratio ?? 1;

/** The options of AdaLoRA's allocator. @param layers the number of adapted layers */
export function allocation(settings: RunSettings, steps: number, layers: number): AllocatorOptions {
  const { rank, budget, tinit, tfinal, deltaT, beta1 = 0.85, beta2 = 0.85 } = settings;
  return {
    target: budget ?? rank * layers,
    totalSteps: steps,
    warmup: tinit ?? Math.floor(0.1 * steps),
    final: tfinal ?? Math.floor(0.3 * steps),
    ...(deltaT !== undefined && { interval: deltaT }),
    betas: [beta1, beta2],
  };
}

/** Names, and expressions between slashes; a comma separates names. @throws LowrankError on a wrong expression */
export function targetOf(given: readonly string[]): Target {
  const words = given.flatMap((word) => (/^\/.*\/$/.test(word) ? [word] : word.split(",")));
  const target = words.filter(Boolean).map((word) => {
    if (!/^\/.+\/$/.test(word)) return word.trim();
    try {
      return new RegExp(word.slice(1, -1));
    } catch (error) {
      throw new LowrankError(`--target: ${(error as Error).message}`);
    }
  });
  return target.length === 1 && target[0] === "all-linear" ? "all-linear" : target;
}

/** `name=number` pairs as an object. @throws LowrankError on anything else */
export function pattern(option: string, pairs: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.lastIndexOf("=");
      const value = Number(pair.slice(at + 1));
      if (at <= 0 || pair.slice(at + 1).trim() === "" || !Number.isFinite(value))
        throw new LowrankError(
          `${option}: expected name=number, such as q_proj=4; got ${JSON.stringify(pair)}`,
        );
      return [pair.slice(0, at), value];
    }),
  );
}
