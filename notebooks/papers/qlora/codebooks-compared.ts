/**
 * @file The data types that QLoRA's paper compares, as codebooks, including those that the library has no format for.
 * Rounds to any of them, in blocks, with or without double quantization, and measures the loss.
 */
import { array, scope } from "lowrank/core";
import { isLinearLike, type Module } from "lowrank/nn";
import {
  type CodeBook,
  dequantizeBlocks,
  dynamic8,
  fp4,
  int4,
  nf4,
  quantizeAbsmax,
  quantizeBlocks,
  recoverAbsmax,
  unpackNibbles,
} from "lowrank/quant";

/**
 * A 4-bit floating-point format as in the open standards: a sign, `exponents` bits e of exponent, M bits m of fraction,
 * and the bias 2^(exponents - 1) - 1. The values are divided by the largest.
 *
 *     ±(1 + m/2^M) · 2^(e - bias),  and for e = 0  ±m/2^M · 2^(1 - bias)
 */
function float4(name: string, exponents: 2 | 3): CodeBook {
  const M = 3 - exponents;
  const bias = 2 ** (exponents - 1) - 1;
  const values = Float32Array.from({ length: 16 }, (_, code) => {
    const e = (code & 7) >> M;
    const fraction = (code & (2 ** M - 1)) / 2 ** M;
    return (code & 8 ? -1 : 1) * (e === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (e - bias));
  });
  const largest = Math.max(...values);
  return { name, bits: 4, values: values.map((value) => value / largest) };
}

/** 0, ½, 1, 1½, 2, 3, 4, 6, each divided by 6, with both signs. */
export const e2m1 = float4("E2M1", 2);
/** 0 and the powers of two from 2⁻² to 2⁴, each divided by 16, with both signs. */
export const e3m0 = float4("E3M0", 3);

/** A way to store numbers. */
export interface DataType {
  readonly name: string;
  readonly book: CodeBook;
  readonly doubleQuant: boolean;
}

/** The data types of the paper, in the order of its table 2; FP4 is the released code's. */
export const dataTypes: readonly DataType[] = [
  { name: "Int4", book: int4, doubleQuant: false },
  { name: "E2M1", book: e2m1, doubleQuant: false },
  { name: "E3M0", book: e3m0, doubleQuant: false },
  { name: "FP4", book: fp4, doubleQuant: false },
  { name: "NF4", book: nf4, doubleQuant: false },
  { name: "NF4 + DQ", book: nf4, doubleQuant: true },
  { name: "Int8", book: dynamic8, doubleQuant: false },
];

/** Rounds `x` to a data type: the codes, the absmax of each block, the constants as stored, and the rounded numbers. */
export function roundTo({ book, doubleQuant }: DataType, x: Float32Array, blockSize: number) {
  const { packed, absmax } = quantizeBlocks(book, x, blockSize);
  const constants = doubleQuant ? recoverAbsmax(quantizeAbsmax(absmax)) : absmax;
  const rounded = new Float32Array(x.length);
  dequantizeBlocks(book, packed, constants, blockSize, rounded, 0, x.length);
  return { codes: book.bits === 4 ? unpackNibbles(packed, x.length) : packed, absmax, constants, rounded };
}

/** With e the error: mean e², mean |e|, ‖e‖²/‖x‖², 10 log₁₀ of its inverse, and the Shannon entropy of the values. */
export interface Loss {
  readonly mse: number;
  readonly mae: number;
  readonly relative: number;
  readonly sqnr: number;
  readonly entropy: number;
}

export function lossOf(type: DataType, x: Float32Array, blockSize: number): Loss {
  const { codes, rounded } = roundTo(type, x, blockSize);
  let [square, absolute, signal] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const e = rounded[i] - x[i];
    square += e * e;
    absolute += Math.abs(e);
    signal += x[i] * x[i];
  }
  return {
    mse: square / x.length,
    mae: absolute / x.length,
    relative: square / signal,
    sqnr: 10 * Math.log10(signal / square),
    entropy: entropyOf(codes, type.book),
  };
}

/** Entropy in bits: 4 if all sixteen values are used equally often. Zero with either sign counts as one value. */
function entropyOf(codes: Uint8Array, { values }: CodeBook): number {
  const byCode = new Array<number>(values.length).fill(0);
  for (const code of codes) byCode[code]++;
  const byValue = new Map<number, number>();
  byCode.forEach((n, code) => {
    byValue.set(values[code] + 0, (byValue.get(values[code] + 0) ?? 0) + n / codes.length);
  });
  return [...byValue.values()].reduce((sum, p) => (p === 0 ? sum : sum - p * Math.log2(p)), 0);
}

/** Replaces the weight W [out, in] of each linear layer except the head by `round(W)`, in place. */
export function roundWeights<M extends Module>(model: M, round: (W: Float32Array) => Float32Array): M {
  for (const [name, layer] of [...model.namedModules()]) {
    if (!isLinearLike(layer) || name === "lm_head") continue;
    const W = scope(() => layer.denseWeight());
    model.replaceModule(name, layer.withWeight(array(round(W.toArray()), W.shape)) as Module & typeof layer);
    // Otherwise the meter counts the old weight until garbage collection.
    for (const weight of layer.parameters().filter((p) => p !== layer.bias)) weight.value.storage.release();
  }
  return model;
}
