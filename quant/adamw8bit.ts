/**
 * @file AdamW with 8-bit state: 8-bit Optimizers via Block-wise Quantization. Dettmers, Lewis, Shleifer, Zettlemoyer,
 * 2021, arXiv:2110.02861.
 *
 *     m, v ← dequantize(codes)       AdamW's step in float32       codes ← quantize(m, v)          (section 2)
 *
 * Blocks have 256 elements here, as in the released code (2048 in the paper); m takes the signed dynamic map, v, which
 * is never negative, the unsigned one: 2.03 bytes a parameter for both (with a float32 for each block) instead of 8.
 * Small parameters, where there is nothing to gain, keep float32 state.
 */

import type { Parameter } from "../autograd/index.ts";
import {
  ArgumentError,
  array,
  CheckpointError,
  countFor,
  fromHost,
  type NDArray,
  QuantizationError,
  sameShape,
  scope,
} from "../core/index.ts";
import {
  type AdamSettings,
  AdamW,
  type OptimizerState,
  type ParameterState,
  type Params,
} from "../nn/index.ts";
import { dequantizeBlocks, quantizeBlocks } from "./blockwise.ts";
import { type CodeBook, dynamic8, dynamic8Unsigned } from "./codebooks.ts";
import { updateSlice } from "./slice-step.ts";

export interface AdamW8bitOptions extends Partial<Omit<AdamSettings, "amsgrad">> {
  /** Parameters with fewer elements keep float32 state; 4096 unless given. */
  readonly min8bitSize?: number;
}

const BLOCK = 256;

/** Elements updated at a time: what is dequantized then fits in the second-level cache. */
const CHUNK = 64 * BLOCK;

/** The moments and what their codes stand for. */
const books: Readonly<Record<string, CodeBook>> = { exp_avg: dynamic8, exp_avg_sq: dynamic8Unsigned };

/** A moment in 8 bits. */
interface Codes {
  readonly codes: Uint8Array; //     [size]
  readonly absmax: Float32Array; //  [⌈size / 256⌉]
}

interface Moments {
  readonly of: Readonly<Record<string, Codes>>;
  /** Takes them off the meter. */
  readonly off: () => void;
}

export class AdamW8bit extends AdamW {
  readonly min8bitSize: number;
  readonly #moments = new Map<Parameter, Moments>();

  /** @throws ArgumentError as AdamW, and for AMSGrad, which has no 8-bit form */
  constructor(params: Params<AdamSettings>, { min8bitSize = 4096, ...settings }: AdamW8bitOptions = {}) {
    super(params, settings);
    if (this.groups.some(({ amsgrad }) => amsgrad))
      throw new ArgumentError("AdamW8bit", "amsgrad false", { amsgrad: true });
    this.min8bitSize = min8bitSize;
  }

  /** Bytes of the state of all parameters: codes and constants, or float32. */
  get stateBytes(): number {
    let bytes = 0;
    for (const parameter of this.parameters()) {
      for (const { codes, absmax } of Object.values(this.#moments.get(parameter)?.of ?? {}))
        bytes += codes.byteLength + absmax.byteLength;
      for (const { storage } of Object.values(this.state(parameter).arrays)) bytes += storage.bytes;
    }
    return bytes;
  }

  /** @throws QuantizationError when the gradient is not finite; this parameter and its moments are then unchanged */
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
    if (!gradient.data.every(Number.isFinite)) {
      state.step--;
      throw new QuantizationError(
        `AdamW8bit: expected a finite gradient; that of a parameter [${parameter.shape.join(", ")}] has NaN or infinite elements, which 8 bits cannot hold`,
      );
    }
    const { of: moments } = this.#moments.get(parameter) ?? this.#make(parameter);
    for (let from = 0; from < parameter.size; from += CHUNK) {
      const to = Math.min(from + CHUNK, parameter.size);
      scope(() => {
        const part = { step: state.step, arrays: dequantized(moments, from, to) };
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
    const of = Object.fromEntries(Object.keys(books).map((name) => [name, empty()]));
    for (const [name, { codes }] of Object.entries(of)) codes.fill(books[name].values.indexOf(0));
    const bytes = Object.values(of).reduce((sum, m) => sum + m.codes.byteLength + m.absmax.byteLength, 0);
    const made = { of, off: countFor(of, "optimizer", bytes) };
    this.#moments.set(parameter, made);
    return made;
  }

  /** A copy of the state: 8-bit moments as their codes, `exp_avg.codes`, and constants, `exp_avg.absmax`. */
  override stateDict(): OptimizerState {
    const { steps, arrays } = super.stateDict();
    const all = new Map(arrays);
    this.parameters().forEach((parameter, i) => {
      for (const [name, { codes, absmax }] of Object.entries(this.#moments.get(parameter)?.of ?? {})) {
        all.set(`${i}.${name}.codes`, array(codes, parameter.shape, "optimizer"));
        all.set(`${i}.${name}.absmax`, array(absmax, [absmax.length], "optimizer"));
      }
    });
    return { steps, arrays: all };
  }

  override checkState(count: number, arrays: OptimizerState["arrays"]): void {
    super.checkState(count, new Map([...arrays].filter(([key]) => !key.endsWith(".absmax"))));
    this.parameters().forEach((parameter, i) => {
      for (const name of Object.keys(books)) {
        const [codes, absmax] = ["codes", "absmax"].map((part) => arrays.get(`${i}.${name}.${part}`));
        if (!codes && !absmax) continue;
        const blocks = [Math.ceil(parameter.size / BLOCK)];
        const isCode = (c: number) => Number.isInteger(c) && c >= 0 && c <= 255;
        const fits = codes?.data.every(isCode) && absmax && sameShape(absmax.shape, blocks);
        if (!fits || !absmax.data.every((value) => value >= 0 && value < Infinity)) {
          throw new CheckpointError(
            `optimizer: expected codes 0 to 255 and ${blocks} constants for ${i}.${name}; got others`,
          );
        }
      }
    });
  }

  /** Continues from a saved state; one of AdamW is quantized. @throws CheckpointError when it is of other parameters */
  override loadStateDict(saved: OptimizerState): void {
    this.checkState(saved.steps.length, saved.arrays);
    const parameters = this.parameters();
    const isPart = (key: string) => key.endsWith(".codes") || key.endsWith(".absmax");
    const isLarge = (key: string) => parameters[Number.parseInt(key, 10)].size >= this.min8bitSize;
    const inFloats = [...saved.arrays].filter(([key]) => !isPart(key) && !isLarge(key));
    super.loadStateDict({ steps: saved.steps, arrays: new Map(inFloats) });
    parameters.forEach((parameter, i) => {
      this.#moments.get(parameter)?.off();
      this.#moments.delete(parameter);
      for (const name of Object.keys(books)) {
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

/** The moments of elements from … to - 1 as numbers. `from` begins a block. */
function dequantized(
  moments: Readonly<Record<string, Codes>>,
  from: number,
  to: number,
): Record<string, NDArray> {
  return Object.fromEntries(
    Object.entries(moments).map(([name, { codes, absmax }]) => {
      const values = new Float32Array(to - from);
      dequantizeBlocks(books[name], codes, absmax.subarray(from / BLOCK), BLOCK, values, from, to);
      return [name, fromHost(values, [values.length])];
    }),
  );
}

/** Quantizes `values` into the codes from element `from` on, which begins a block. */
function store(moment: Codes, name: string, values: NDArray, from: number): void {
  const { packed, absmax } = quantizeBlocks(books[name], Float32Array.from(values.data), BLOCK);
  moment.codes.set(packed, from);
  moment.absmax.set(absmax, from / BLOCK);
}
