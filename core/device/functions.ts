/**
 * @file The elementwise functions and reductions that kernels know by name, one number at a time.
 *
 * These tables are the lists of names: a line here adds a function to every device. A device that has no faster kernel
 * for it runs the loops of `reference`. Its derivative is a line in autograd/ops.
 */

import { bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16 } from "../files/float16.ts";
import { erf } from "../math/quantile.ts";

type Unary = (x: number) => number;
type Binary = (a: number, b: number) => number;

const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** Φ(x), the standard normal distribution function. */
const phi = (x: number): number => 0.5 * (1 + erf(x * Math.SQRT1_2));
/** φ(x) = Φ′(x). */
const density = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

const SQRT_2_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715; // Hendrycks & Gimpel 2016 (arXiv:1606.08415): gelu(x) ≈ x/2 (1 + tanh(√(2/π)(x + 0.044715x³)))
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(SQRT_2_PI * (x + CUBIC * x * x * x)));
const geluTanhGrad = (x: number): number => {
  const t = Math.tanh(SQRT_2_PI * (x + CUBIC * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_PI * (1 + 3 * CUBIC * x * x);
};

/** x ↦ f(x). The `…Grad` entries are derivatives that backward passes need as one pass over memory. */
export const unaryFunctions = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  square: (x) => x * x,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  relu: (x) => Math.max(x, 0),
  step: (x) => (x > 0 ? 1 : 0),
  erf,
  gelu: (x) => x * phi(x),
  geluGrad: (x) => phi(x) + x * density(x),
  geluTanh,
  geluTanhGrad,
  silu: (x) => x * sigmoid(x),
  siluGrad: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  floor: Math.floor,
  round: Math.round,
  bfloat16: (x) => bfloat16ToNumber(numberToBfloat16(x)),
  float16: (x) => float16ToNumber(numberToFloat16(x)),
} satisfies Record<string, Unary>;

/** (a, b) ↦ f(a, b). Comparisons give 1 or 0. */
export const binaryFunctions = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // IEEE 754: 1 to any power, NaN and ±∞ too, and (−1)^±∞ are 1; JavaScript says NaN.
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b),
  max: Math.max,
  min: Math.min,
  eq: (a, b) => (a === b ? 1 : 0),
  gt: (a, b) => (a > b ? 1 : 0),
  ge: (a, b) => (a >= b ? 1 : 0),
  masked: (a, b) => (b === 0 ? 0 : a * b), // be a infinite or NaN there
} satisfies Record<string, Binary>;

/** How two partial results of a reduction become one. */
export const reduceFunctions = {
  sum: binaryFunctions.add,
  max: Math.max,
  min: Math.min,
} satisfies Record<string, Binary>;

export type UnaryName = keyof typeof unaryFunctions;
export type BinaryName = keyof typeof binaryFunctions;
export type ReduceName = keyof typeof reduceFunctions;

const namesOf = <Name extends string>(table: Readonly<Record<Name, unknown>>): readonly Name[] =>
  Object.keys(table) as Name[];

export const unaryNames = namesOf(unaryFunctions);
export const binaryNames = namesOf(binaryFunctions);
