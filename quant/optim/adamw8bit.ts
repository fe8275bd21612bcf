/**
 * @file AdamW with 8-bit state: 8-bit Optimizers via Block-wise Quantization. Dettmers, Lewis, Shleifer, Zettlemoyer,
 * 2021, arXiv:2110.02861.
 *
 *     m, v ← dequantize(codes)       AdamW's step in float32       codes ← quantize(m, v)          (section 2)
 *
 * Blocks have 256 elements here, as in the released code (2048 in the paper); m is
 * stored in the signed dynamic map, v, which is never negative, in the unsigned one. Both take 2.03 bytes a parameter
 * (with a float32 for each block) instead of 8. Small parameters, where there is little to gain, keep float32 state.
 */

import type { Parameter } from "../../autograd/index.ts";
import {
  ArgumentError,
  array,
  CheckpointError,
  checkOptions,
  countFor,
  fromHost,
  type NDArray,
  QuantizationError,
  scope,
} from "../../core/index.ts";
import {
  type AdamSettings,
  AdamW,
  adamDefaults,
  type OptimizerState,
  optimizerSpellings,
  type ParameterState,
  type Params,
  type StateLayout,
} from "../../nn/index.ts";
import { dequantizeBlocks, quantizeBlocks } from "../blockwise.ts";
import { type Codebook, dynamic8, dynamic8Unsigned } from "../codebooks.ts";
import { updateSlice } from "./slice-step.ts";

/** The settings of AdamW without AMSGrad, and those of the state in 8 bits. */
export interface AdamW8bitOptions extends Partial<Omit<AdamSettings, "amsgrad">> {
  /** Parameters with fewer elements keep float32 state. @default 4096 */
  readonly min8bitSize?: number;
  /**
   * Keeps v from rounding below what m allows; see AdamW8bit. With false every bit is that of bitsandbytes.
   * @default true
   */
  readonly boundUpdates?: boolean;
}

const ownOptions = ["min8bitSize", "boundUpdates"];

/** Elements that share an absmax. */
const BLOCK = 256;

/** Elements updated at a time, so that their dequantized moments fit in the second-level cache. */
const CHUNK = 64 * BLOCK;

/** The moments by AdamW's names, each with the codebook that it is stored in. */
const codebooks: Readonly<Record<string, Codebook>> = { exp_avg: dynamic8, exp_avg_sq: dynamic8Unsigned };

/** A moment in 8 bits. */
interface Codes {
  readonly codes: Uint8Array; //     [size]
  readonly absmax: Float32Array; //  [⌈size / 256⌉]
}

/** The moments of one parameter. */
interface Moments {
  readonly of: Readonly<Record<string, Codes>>;
  /** Ends their counting by the meter. */
  readonly off: () => void;
}

/**
 * AdamW with both moments in 8 bits.
 *
 *     const optimizer = new AdamW8bit(model.parameters(), { lr: 2e-4 });
 *     loss.backward();
 *     optimizer.step();
 *
 * If one gradient of a block is large, the second moments of the others round to zero while their first moments do not,
 * and m̂/(√v̂ + ε) is m̂/ε: bitsandbytes moves such a weight by thousands of learning rates. Here v never falls below
 * (m/C)² (`leastSecondMoment`), which it cannot do in exact arithmetic either, for any gradients. So no update of the
 * t-th step, decay apart, is larger than η C √(1 − β₂ᵗ)/(1 − β₁ᵗ); C is 7.3 for the usual betas. Moments that round well
 * are not changed.
 */
export class AdamW8bit extends AdamW {
  /** Parameters with fewer elements keep float32 state. */
  readonly min8bitSize: number;
  /** Whether v is kept from rounding below what m allows. */
  readonly boundUpdates: boolean;
  readonly #moments = new Map<Parameter, Moments>();

  /** @throws ArgumentError like AdamW, and for AMSGrad, which has no 8-bit form */
  constructor(params: Params<AdamSettings>, options: AdamW8bitOptions = {}) {
    checkOptions("AdamW8bit", options, [...ownOptions, ...Object.keys(adamDefaults)], optimizerSpellings);
    const { min8bitSize = 4096, boundUpdates = true, ...settings } = options;
    if (!(typeof min8bitSize === "number" && min8bitSize >= 0))
      throw new ArgumentError("AdamW8bit", "min8bitSize of at least 0", { min8bitSize });
    if (typeof boundUpdates !== "boolean")
      throw new ArgumentError("AdamW8bit", "boundUpdates to be true or false", { boundUpdates });
    super(params, settings);
    if (this.groups.some(({ amsgrad }) => amsgrad))
      throw new ArgumentError("AdamW8bit", "amsgrad to be false", { amsgrad: true });
    this.min8bitSize = min8bitSize;
    this.boundUpdates = boundUpdates;
  }

  /** Bytes of the state of all parameters: codes and absmax, or float32. */
  get stateBytes(): number {
    let bytes = 0;
    for (const parameter of this.parameters()) {
      for (const { codes, absmax } of Object.values(this.#moments.get(parameter)?.of ?? {}))
        bytes += codes.byteLength + absmax.byteLength;
      for (const { storage } of Object.values(this.state(parameter).arrays)) bytes += storage.bytes;
    }
    return bytes;
  }

  /**
   * Takes a step of AdamW.
   * @throws QuantizationError if a gradient is not finite; nothing is changed then
   */
  override step(): void {
    for (const { gradValue, size, shape, requiresGrad } of this.parameters()) {
      if (size < this.min8bitSize || !requiresGrad || !gradValue || gradValue.data.every(Number.isFinite))
        continue;
      throw new QuantizationError(
        `AdamW8bit: expected a finite gradient; that of a parameter [${shape.join(", ")}] has NaN or infinite elements, which 8 bits cannot hold`,
      );
    }
    super.step();
  }

  protected override update(
    parameter: Parameter,
    gradient: NDArray,
    settings: AdamSettings,
    state: ParameterState,
  ): void {
    if (parameter.size < this.min8bitSize) {
      super.update(parameter, gradient, settings, state);
      return;
    }
    const { of: moments } = this.#moments.get(parameter) ?? this.#make(parameter);
    for (let from = 0; from < parameter.size; from += CHUNK) {
      const to = Math.min(from + CHUNK, parameter.size);
      scope(() => {
        const part = { step: state.step, arrays: dequantized(moments, from, to) };
        if (this.boundUpdates) raise(part.arrays, leastSecondMoment(settings.betas, state.step - 1));
        updateSlice(parameter, gradient, from, to, (w, g) => super.update(w, g, settings, part));
        for (const [name, values] of Object.entries(part.arrays)) store(moments[name], name, values, from);
      });
    }
  }

  #make(parameter: Parameter): Moments {
    const size = parameter.size;
    const empty = (): Codes => ({
      codes: new Uint8Array(size),
      absmax: new Float32Array(Math.ceil(size / BLOCK)),
    });
    const of = Object.fromEntries(Object.keys(codebooks).map((name) => [name, empty()]));
    for (const [name, { codes }] of Object.entries(of)) codes.fill(codebooks[name].values.indexOf(0));
    const bytes = Object.values(of).reduce((sum, m) => sum + m.codes.byteLength + m.absmax.byteLength, 0);
    const made = { of, off: countFor(of, "optimizer", bytes) };
    this.#moments.set(parameter, made);
    return made;
  }

  /** A copy of the state: each 8-bit moment as its codes, `exp_avg.codes`, and its absmax, `exp_avg.absmax`. */
  override stateDict(): OptimizerState {
    const { kind, steps, arrays } = super.stateDict();
    const all = new Map(arrays);
    this.parameters().forEach((parameter, i) => {
      for (const [name, { codes, absmax }] of Object.entries(this.#moments.get(parameter)?.of ?? {})) {
        all.set(`${i}.${name}.codes`, array(codes, parameter.shape, "optimizer"));
        all.set(`${i}.${name}.absmax`, array(absmax, [absmax.length], "optimizer"));
      }
    });
    return { kind, steps, arrays: all };
  }

  override get kind(): string {
    return "AdamW8bit";
  }

  protected override get continues(): readonly string[] {
    return ["AdamW8bit", "AdamW", "PagedAdamW"];
  }

  /** For large parameters: codes and absmax, or the moments of AdamW, which `restore` quantizes. */
  protected override layouts(parameter: Parameter, settings: AdamSettings): readonly StateLayout[] {
    const inFloats = super.layouts(parameter, settings);
    if (parameter.size < this.min8bitSize) return inFloats;
    const blocks = [Math.ceil(parameter.size / BLOCK)];
    const inCodes = Object.keys(codebooks).flatMap((name) => [
      [`${name}.codes`, parameter.shape],
      [`${name}.absmax`, blocks],
    ]);
    return [Object.fromEntries(inCodes), ...inFloats];
  }

  override checkState(saved: OptimizerState): void {
    super.checkState(saved);
    const isCode = (c: number): boolean => Number.isInteger(c) && c >= 0 && c <= 255;
    const isScale = (value: number): boolean => value >= 0 && value < Infinity;
    for (const [key, { data }] of saved.arrays) {
      const isLarge = this.parameters()[Number.parseInt(key, 10)].size >= this.min8bitSize;
      const [isLegal, what] = key.endsWith(".codes")
        ? ([isCode, "codes from 0 to 255"] as const)
        : key.endsWith(".absmax")
          ? ([isScale, "an absmax that is finite and not negative"] as const)
          : ([Number.isFinite, "finite moments"] as const);
      if (isLarge && !data.every(isLegal))
        throw new CheckpointError(`AdamW8bit: expected ${what} in ${key}; got others`);
    }
  }

  /** Replaces the state; moments in float32 are quantized. */
  protected override restore(saved: OptimizerState): void {
    const parameters = this.parameters();
    const isPart = (key: string) => key.endsWith(".codes") || key.endsWith(".absmax");
    const isLarge = (key: string) => parameters[Number.parseInt(key, 10)].size >= this.min8bitSize;
    const inFloats = [...saved.arrays].filter(([key]) => !isPart(key) && !isLarge(key));
    super.restore({ steps: saved.steps, arrays: new Map(inFloats) });
    parameters.forEach((parameter, i) => {
      this.#moments.get(parameter)?.off();
      this.#moments.delete(parameter);
      for (const name of Object.keys(codebooks)) {
        const [codes, absmax, values] = [".codes", ".absmax", ""].map((part) =>
          saved.arrays.get(`${i}.${name}${part}`),
        );
        if (parameter.size < this.min8bitSize || !(codes ?? values)) continue;
        const moment = (this.#moments.get(parameter) ?? this.#make(parameter)).of[name];
        if (codes && absmax) {
          moment.codes.set(codes.data);
          moment.absmax.set(absmax.data);
        } else store(moment, name, values as NDArray, 0);
      }
    });
  }
}

/**
 * Computes 1/C², the least v/m² that any gradients can lead to. By Cauchy and Schwarz, with q = β₁²/β₂,
 *
 *     m² = ((1 − β₁) Σ β₁ᵏ g)² ≤ (1 − β₁)²/(1 − β₂) Σ qᵏ · (1 − β₂) Σ β₂ᵏ g² = C² v
 *
 * The sum of qᵏ is at most 1/(1 − q) over any number of steps; if q ≥ 1, it is taken over the `steps` so far.
 */
function leastSecondMoment([beta1, beta2]: readonly [number, number], steps: number): number {
  const q = beta1 ** 2 / beta2;
  const sum = q < 1 ? 1 / (1 - q) : q === 1 ? steps : (q ** steps - 1) / (q - 1);
  return (1 - beta2) / ((1 - beta1) ** 2 * sum);
}

/** Raises each v to at least `least` · m². */
function raise({ exp_avg: m, exp_avg_sq: v }: Record<string, NDArray>, least: number): void {
  if (!Number.isFinite(least)) return;
  const [ms, vs] = [m.data, v.storage.write()];
  for (let i = 0; i < vs.length; i++) vs[i] = Math.max(vs[i], least * ms[i] * ms[i]);
}

/** The moments of elements from … to - 1, dequantized. Element `from` begins a block. */
function dequantized(
  moments: Readonly<Record<string, Codes>>,
  from: number,
  to: number,
): Record<string, NDArray> {
  return Object.fromEntries(
    Object.entries(moments).map(([name, { codes, absmax }]) => {
      const values = new Float32Array(to - from);
      dequantizeBlocks(codebooks[name], codes, absmax.subarray(from / BLOCK), BLOCK, values, from, to);
      return [name, fromHost(values, [values.length])];
    }),
  );
}

/** Quantizes `values` into a moment from element `from` on, which begins a block. */
function store(moment: Codes, name: string, values: NDArray, from: number): void {
  const { packed, absmax } = quantizeBlocks(codebooks[name], Float32Array.from(values.data), BLOCK);
  moment.codes.set(packed, from);
  moment.absmax.set(absmax, from / BLOCK);
}
