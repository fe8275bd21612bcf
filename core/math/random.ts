/**
 * @file Random numbers: seeded, splittable, and the same on every platform and in every run.
 *
 * The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw, 2011, "Parallel Random Numbers: As
 * Easy as 1, 2, 3", SC'11): a keyed permutation of 64 bits, reduced from the cipher Threefish. The i-th pair
 * of words of a stream is that permutation of the counter i, so a stream has no state but its key and a position,
 * and any part of it can be had at once. It passes BigCrush, counters and keys in sequence included.
 *
 * Splitting (Claessen & Pałka, 2013, "Splittable Pseudorandom Number Generators using Cryptographic Hashing"): a
 * child's key is the permutation, under the parent's key, of the child's label, taken from a half of the counters
 * that no stream reaches.
 *
 * Everything is integer arithmetic, or floating-point arithmetic that IEEE 754 rounds correctly.
 */

import { allocateFloats } from "../array/allocate.ts";
import { ArgumentError } from "../errors.ts";
import { normalQuantile } from "./quantile.ts";

/** The complete state of a generator: two 32-bit words of key, and how many words were drawn. Plain JSON. */
export interface RandomState {
  readonly key: readonly [number, number];
  readonly position: number;
}

/**
 * A generator from a seed.
 * @param seed an integer from 0 to 2^53 - 1
 */
export function random(seed: number): Random {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError("random", "a seed from 0 to 2^53 - 1", { seed });
  }
  return new Random([seed >>> 0, Math.floor(seed / 2 ** 32)], 0);
}

/** A generator that continues from a `state()`. @throws ArgumentError when `state` is not one */
export function randomFromState(state: RandomState): Random {
  const { key, position } = state ?? {};
  const isWord = (word: unknown) => Number.isInteger(word) && (word as number) >>> 0 === word;
  const legal = Array.isArray(key) && key.length === 2 && key.every(isWord);
  if (!legal || !Number.isSafeInteger(position) || position < 0) {
    throw new ArgumentError("randomFromState", "the result of state()", { key, position });
  }
  return new Random(key, position);
}

/** A stream of random numbers. Made by `random(seed)` and `split`. */
export class Random {
  #key0: number;
  #key1: number;
  #position: number;

  constructor(key: readonly [number, number], position: number) {
    [this.#key0, this.#key1] = key;
    this.#position = position;
  }

  /** The next 32 bits, as an integer from 0 to 2^32 - 1. */
  bits(): number {
    const position = this.#position++;
    permute(this.#key0, this.#key1, Math.floor(position / 2) >>> 0, Math.floor(position / 2 ** 33));
    return (position % 2 === 0 ? out0 : out1) >>> 0;
  }

  /** A float64 in [0, 1), a multiple of 2^-53. */
  float(): number {
    const high = this.bits() >>> 5; // 27 bits
    return (high * 2 ** 26 + (this.bits() >>> 6)) * 2 ** -53;
  }

  /** An integer in [0, n), each with the same probability; 1 ≤ n ≤ 2^32. */
  integer(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new ArgumentError("random.integer", "n from 1 to 2^32", { n });
    }
    const fair = 2 ** 32 - (2 ** 32 % n); // the largest multiple of n: above it, small results would come too often
    let word = this.bits();
    while (word >= fair) word = this.bits();
    return word % n;
  }

  /** Uniform values: low + (high - low) u, u a multiple of 2^-24 in [0, 1), rounded to float32, down if above high. */
  uniform(length: number, low = 0, high = 1): Float32Array<ArrayBuffer> {
    checkFinite("random.uniform", { low, high });
    const below = float32Below(Math.max(low, high));
    const top = below >= Math.min(low, high) ? below : Infinity; // no float32 lies between the two
    return this.#fill(length, (word) => {
      const value = Math.fround(low + (high - low) * ((word >>> 8) * 2 ** -24));
      return Math.min(value, top);
    });
  }

  /** Normal values: the quantile function at (w + 1/2) 2^-32 for a word w. At most 6.34 standard deviations out. */
  normal(length: number, mean = 0, std = 1): Float32Array<ArrayBuffer> {
    checkFinite("random.normal", { mean, std });
    return this.#fill(length, (word) => mean + std * normalQuantile((word + 0.5) * 2 ** -32));
  }

  /** The integers 0 … n - 1 in an order drawn uniformly from all n! */
  permutation(n: number): Int32Array<ArrayBuffer> {
    checkLength("random.permutation", n);
    return this.shuffle(Int32Array.from({ length: n }, (_, i) => i));
  }

  /** Brings a list into a uniformly random order, in place (Fisher & Yates; Durstenfeld, 1964), and returns it. */
  shuffle<T extends { [index: number]: unknown; readonly length: number }>(list: T): T {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  }

  /**
   * A new generator, independent of this one and of those with other labels. It depends on the key and the label only, not
   * on what was drawn before, and drawing from it does not change this one. The same label gives the same generator.
   * @param label a string, or an integer from 0 to 2^32 - 1
   */
  split(label: string | number): Random {
    const key: Key = [this.#key0, this.#key1];
    if (typeof label === "string") {
      let child: Key = threefry2x32(key, [label.length, textTag]);
      for (let i = 0; i < label.length; i++) child = threefry2x32(child, [label.charCodeAt(i), textTag]);
      return new Random(child, 0);
    }
    if (!Number.isInteger(label) || label < 0 || label >= 2 ** 32) {
      throw new ArgumentError("random.split", "a string or an integer from 0 to 2^32 - 1", { label });
    }
    return new Random(threefry2x32(key, [label, numberTag]), 0);
  }

  /** What `randomFromState` needs to continue from here. */
  state(): RandomState {
    return { key: [this.#key0, this.#key1], position: this.#position };
  }

  /** Sets this generator to `state`: all code that holds it draws from there on. */
  restore(state: RandomState): void {
    const { key, position } = randomFromState(state).state();
    [this.#key0, this.#key1] = key;
    this.#position = position;
  }

  /** The next `length` words, each through `value`. */
  #fill(length: number, value: (word: number) => number): Float32Array<ArrayBuffer> {
    checkLength("random", length);
    const values = allocateFloats(length);
    let i = 0;
    if (length > 0 && this.#position % 2 === 1) values[i++] = value(this.bits());
    let block = this.#position / 2;
    for (; i + 1 < length; i += 2, block++) {
      permute(this.#key0, this.#key1, block >>> 0, Math.floor(block / 2 ** 32));
      values[i] = value(out0 >>> 0);
      values[i + 1] = value(out1 >>> 0);
    }
    this.#position = 2 * block;
    if (i < length) values[i] = value(this.bits());
    return values;
  }
}

/** The largest float32 that is not above x. */
function float32Below(x: number): number {
  const nearest = Math.fround(x);
  if (nearest <= x) return nearest;
  const float = new Float32Array([nearest]);
  const bits = new Int32Array(float.buffer);
  bits[0] += nearest > 0 ? -1 : 1; // nearest is above x, and so not −0 or −∞
  return float[0];
}

type Key = readonly [number, number];

// Second words of the counters from which keys are made. Those of a stream stay below 2^20.
const numberTag = 0x80000000;
const textTag = 0x80000001;

/** Two words from two words of key and two of counter: what streams and keys are made of. */
export function threefry2x32([key0, key1]: Key, [counter0, counter1]: Key): [number, number] {
  permute(key0, key1, counter0, counter1);
  return [out0 >>> 0, out1 >>> 0];
}

/** The two words that `permute` gives. */
let out0 = 0;
let out1 = 0;

/**
 * Threefry-2x32-20: `out0`, `out1` from two words of key and two of counter. Twenty rounds of add, rotate and xor;
 * before the first and after every fourth, two of three words of key are added, in turn, and how often that was done.
 */
function permute(key0: number, key1: number, counter0: number, counter1: number): void {
  let k0 = key0;
  let k1 = key1;
  let k2 = 0x1bd11bda ^ key0 ^ key1; // Threefish's parity constant, here for 32 bits
  let a = (counter0 + k0) | 0;
  let b = (counter1 + k1) | 0;
  for (let added = 1; added <= 5; added++) {
    const odd = added % 2 === 1;
    a = (a + b) | 0;
    b = rotate(b, odd ? 13 : 17) ^ a;
    a = (a + b) | 0;
    b = rotate(b, odd ? 15 : 29) ^ a;
    a = (a + b) | 0;
    b = rotate(b, odd ? 26 : 16) ^ a;
    a = (a + b) | 0;
    b = rotate(b, odd ? 6 : 24) ^ a;
    const first = k0;
    k0 = k1;
    k1 = k2;
    k2 = first;
    a = (a + k0) | 0;
    b = (b + k1 + added) | 0;
  }
  out0 = a;
  out1 = b;
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function checkFinite(who: string, values: Readonly<Record<string, number>>): void {
  if (!Object.values(values).every(Number.isFinite)) throw new ArgumentError(who, "finite numbers", values);
}

function checkLength(who: string, length: number): void {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new ArgumentError(who, "a length, an integer from 0", { length });
  }
}
