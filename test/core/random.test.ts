import * as fc from "fast-check";
import { ArgumentError } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { normalCdf } from "../../core/math/quantile.ts";
import { type Random, random, randomFromState, threefry2x32 } from "../../core/math/random.ts";

const test = suite("random");

// Statistical bounds: each is six standard deviations of the quantity if the numbers are what they claim, which a
// sound generator exceeds once in 10^9. The seeds are fixed, so a test that passes once passes always.
const n = 100_000;
const sigmas = 6;

const seed = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const label = fc.oneof(fc.string(), fc.nat({ max: 2 ** 32 - 1 }));
const words = (rng: Random, count: number) => Array.from({ length: count }, () => rng.bits());

const mean = (x: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i];
  return sum / x.length;
};

/** Σ (count - expected)²/expected over equally likely bins has mean k - 1 and variance 2 (k - 1). */
function assertEven(counts: ArrayLike<number>, what: string): void {
  const total = mean(counts) * counts.length;
  const expected = total / counts.length;
  let chiSquare = 0;
  for (let i = 0; i < counts.length; i++) chiSquare += (counts[i] - expected) ** 2 / expected;
  const degrees = counts.length - 1;
  assert.ok(
    chiSquare < degrees + sigmas * Math.sqrt(2 * degrees),
    `${what}: χ² = ${chiSquare}, ${degrees} degrees`,
  );
}

/** The correlation of n independent pairs is about normal with deviation 1/√n. */
function assertUncorrelated(x: ArrayLike<number>, y: ArrayLike<number>, what: string): void {
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
    yy += (y[i] - my) ** 2;
  }
  const correlation = xy / Math.sqrt(xx * yy);
  assert.ok(Math.abs(correlation) < sigmas / Math.sqrt(x.length), `${what}: correlation ${correlation}`);
}

// --- The same numbers everywhere

test("Threefry-2x32-20 gives the answers published with it", () => {
  // Random123, examples/kat_vectors: counter, key, result; the third are digits of π.
  assert.equal(threefry2x32([0, 0], [0, 0]), [0x6b200159, 0x99ba4efe]);
  const ones: [number, number] = [0xffffffff, 0xffffffff];
  assert.equal(threefry2x32(ones, ones), [0x1cb996fc, 0xbb002be7]);
  assert.equal(threefry2x32([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3]), [0xc4923a9c, 0x483df7a0]);
});

test("the first numbers of seed 0 are these", () => {
  assert.equal(words(random(0), 4), [1797259609, 2579123966, 1351547692, 3235790642]);
  assert.is(random(0).float(), 0.41845711022987275);
  assert.equal(
    random(0).uniform(3, -1, 1),
    Float32Array.from([-0.16308581829071045, 0.20099806785583496, -0.37063658237457275]),
  );
  assert.equal(
    random(0).normal(5),
    Float32Array.from([
      -0.20584213733673096, 0.2546391487121582, -0.48262301087379456, 0.6852002739906311,
      -0.27109163999557495,
    ]),
  );
  assert.equal(random(0).permutation(8), Int32Array.from([3, 7, 5, 0, 2, 4, 6, 1]));
  assert.equal(words(random(0).split("dropout").split(3), 2), [2114031457, 295948578]);
});

test("word i of a stream is a function of key and i", () => {
  fc.assert(
    fc.property(seed, fc.nat({ max: 2 ** 53 - 8 }), (seed, position) => {
      const { key } = random(seed).state();
      const rng = randomFromState({ key, position });
      for (let i = position; i < position + 4; i++) {
        const block = Math.floor(i / 2);
        const pair = threefry2x32(key, [block % 2 ** 32, Math.floor(block / 2 ** 32)]);
        assert.is(rng.bits(), pair[i % 2]);
      }
    }),
  );
});

test("a stream does not depend on how it is cut into draws, wherever it is", () => {
  const position = fc.oneof(fc.constant(0), fc.nat({ max: 2 ** 53 - 64 }));
  fc.assert(
    fc.property(seed, position, fc.array(fc.nat(5), { maxLength: 6 }), (seed, position, lengths) => {
      const { key } = random(seed).state();
      const cut = randomFromState({ key, position });
      const whole = randomFromState({ key, position }).normal(lengths.reduce((a, b) => a + b, 0));
      assert.equal(
        lengths.flatMap((length) => [...cut.normal(length)]),
        [...whole],
      );
    }),
  );
});

test("a list of uniform numbers is made of the words in order, wherever the stream is", () => {
  fc.assert(
    fc.property(seed, fc.nat({ max: 2 ** 53 - 64 }), fc.nat(7), (seed, position, length) => {
      const { key } = random(seed).state();
      const rng = randomFromState({ key, position });
      const one = randomFromState({ key, position });
      assert.equal(
        rng.uniform(length),
        Float32Array.from({ length }, () => one.uniform(1)[0]),
      );
    }),
  );
});

test("a generator continues from its state, kept as JSON, as if nothing had happened", () => {
  fc.assert(
    fc.property(seed, label, fc.nat(9), (seed, label, drawn) => {
      const rng = random(seed).split(label);
      rng.uniform(drawn);
      const resumed = randomFromState(JSON.parse(JSON.stringify(rng.state())));
      assert.equal(resumed.normal(5), rng.normal(5));
      assert.equal(resumed.split(1).permutation(6), rng.split(1).permutation(6));
      assert.equal(resumed.state(), rng.state());
    }),
  );
});

// --- Distributions

test("every bit, byte and pair of neighbouring bytes of the words is even", () => {
  const bits = new Float64Array(32);
  const bytes = Array.from({ length: 4 }, () => new Float64Array(256));
  const pairs = new Float64Array(65536);
  const rng = random(1);
  const draws = 10 * n;
  for (let i = 0, last = rng.bits() & 255; i < draws; i++) {
    const word = rng.bits();
    for (let bit = 0; bit < 32; bit++) bits[bit] += (word >>> bit) & 1;
    for (let byte = 0; byte < 4; byte++) bytes[byte][(word >>> (8 * byte)) & 255]++;
    pairs[256 * last + (word & 255)]++;
    last = word & 255;
  }
  for (const ones of bits) assert.ok(Math.abs(ones - draws / 2) < (sigmas * Math.sqrt(draws)) / 2);
  for (const counts of bytes) assertEven(counts, "bytes");
  assertEven(pairs, "pairs of bytes");
});

test("uniform values are uniform: moments and evenness", () => {
  const x = random(2).uniform(n, -3, 5);
  assert.ok(x.every((value) => value >= -3 && value <= 5));
  const deviation = 8 / Math.sqrt(12);
  assert.ok(Math.abs(mean(x) - 1) < (sigmas * deviation) / Math.sqrt(n));
  // Var((x - μ)²) = σ⁴ (9/5 - 1) for a uniform distribution
  const variance = mean(x.map((value) => (value - 1) ** 2));
  assert.ok(Math.abs(variance - deviation ** 2) < sigmas * deviation ** 2 * Math.sqrt(0.8 / n));
  const counts = new Float64Array(1000);
  for (const value of x) counts[Math.min(999, Math.floor((value + 3) * 125))]++;
  assertEven(counts, "uniform");
});

test("normal values are normal: moments and distance of the distribution functions", () => {
  const x = random(3)
    .normal(n, 10, 2)
    .map((value) => (value - 10) / 2);
  // Var(xᵏ) = E x²ᵏ - (E xᵏ)² with E x², x⁴, x⁶, x⁸ = 1, 3, 15, 105
  const moments = [
    [1, 0, 1],
    [2, 1, 3 - 1],
    [3, 0, 15],
    [4, 3, 105 - 9],
  ];
  for (const [power, expected, variance] of moments) {
    const got = mean(x.map((value) => value ** power));
    assert.ok(Math.abs(got - expected) < sigmas * Math.sqrt(variance / n), `E x^${power} = ${got}`);
  }
  // Kolmogorov & Smirnov: P(√n D > t) ≈ 2 exp(-2 t²), 2e-9 at t = 3.22
  let distance = 0;
  x.sort().forEach((value, i) => {
    const probability = normalCdf(value);
    distance = Math.max(distance, Math.abs(probability - i / n), Math.abs(probability - (i + 1) / n));
  });
  assert.ok(Math.sqrt(n) * distance < 3.22, `√n D = ${Math.sqrt(n) * distance}`);
});

test("integers are uniform even where 2^32 is not a multiple of n", () => {
  for (const range of [2, 3, 7, 10, 1000]) {
    const counts = new Float64Array(range);
    const rng = random(range);
    for (let i = 0; i < n; i++) counts[rng.integer(range)]++;
    assertEven(counts, `integer(${range})`);
  }
  // 3 · 2^30: the remainder of a word would fall into the lower third half of the time.
  const thirds = new Float64Array(3);
  const rng = random(4);
  for (let i = 0; i < n; i++) thirds[Math.floor(rng.integer(3 * 2 ** 30) / 2 ** 30)]++;
  assertEven(thirds, "thirds");
  assert.ok(rng.integer(2 ** 32) < 2 ** 32);
});

test("float() is in [0, 1) with all of its 53 bits", () => {
  const rng = random(5);
  const low = new Float64Array(64);
  for (let i = 0; i < n; i++) {
    const scaled = rng.float() * 2 ** 53;
    assert.ok(Number.isInteger(scaled) && scaled >= 0 && scaled < 2 ** 53);
    low[scaled % 64]++;
  }
  assertEven(low, "lowest bits");
});

test("a permutation holds each integer once, and every order is equally likely", () => {
  fc.assert(
    fc.property(seed, fc.nat(100), (seed, length) => {
      const sorted = random(seed).permutation(length).sort();
      assert.equal(
        [...sorted],
        Array.from({ length }, (_, i) => i),
      );
    }),
  );
  const orders = new Map<string, number>();
  const rng = random(6);
  for (let i = 0; i < n; i++) {
    const order = rng.permutation(4).join();
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  assert.is(orders.size, 24);
  assertEven([...orders.values()], "orders of 4");
});

test("shuffling keeps the items and works in place", () => {
  const list = ["a", "b", "c", "d"];
  assert.is(random(7).shuffle(list), list);
  assert.equal([...list].sort(), ["a", "b", "c", "d"]);
});

// --- Splitting

test("a split depends on key and label only, and changes nothing", () => {
  fc.assert(
    fc.property(seed, label, fc.nat(9), (seed, label, drawn) => {
      const rng = random(seed);
      const before = words(rng.split(label), 3);
      rng.uniform(drawn);
      const state = rng.state();
      assert.equal(words(rng.split(label), 3), before);
      assert.equal(rng.state(), state);
    }),
  );
});

test("different labels and seeds give different keys", () => {
  const keys = new Set<string>();
  const labels = [
    ...Array.from({ length: 1000 }, (_, i) => [i, String(i), `layer.${i}.weight`]).flat(),
    "",
    "\0",
  ];
  for (let seed = 0; seed < 3; seed++) {
    keys.add(random(seed).state().key.join());
    for (const label of labels) {
      keys.add(random(seed).split(label).state().key.join());
      keys.add(random(seed).split("a").split(label).state().key.join());
    }
  }
  assert.is(keys.size, 3 * (1 + 2 * labels.length));
});

test("parent, children, siblings and neighbouring seeds are uncorrelated, also when shifted", () => {
  const length = 10_000;
  const parent = random(8);
  const streams = [parent, parent.split(0), parent.split(1), parent.split("a"), parent.split("b"), random(9)];
  streams.push(parent.split(0).split(0), random(0));
  const draws = streams.map((rng) => rng.normal(length + 1));
  for (let i = 0; i < draws.length; i++) {
    for (let j = 0; j <= i; j++) {
      const shifted = draws[j].subarray(1);
      assertUncorrelated(draws[i].subarray(0, length), shifted, `${i} and ${j}, shifted by one`);
      if (i !== j) assertUncorrelated(draws[i], draws[j], `${i} and ${j}`);
    }
  }
});

test("the first numbers of children with labels in sequence are uniform and uncorrelated", () => {
  const rng = random(10);
  const first = Float64Array.from({ length: n }, (_, i) => rng.split(i).float());
  const counts = new Float64Array(256);
  for (const value of first) counts[Math.floor(value * 256)]++;
  assertEven(counts, "first numbers");
  assertUncorrelated(first.subarray(1), first.subarray(0, n - 1), "neighbours");
});

// --- Bad arguments

test("what is not a seed, a length, a label or a state is refused, and nothing is drawn", () => {
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53, Infinity])
    assert.throws(() => random(bad), /random: expected a seed/);
  const rng = random(0);
  const before = rng.state();
  for (const bad of [-1, 0.5, Number.NaN]) {
    assert.throws(() => rng.uniform(bad), /a length/);
    assert.throws(() => rng.normal(bad), /a length/);
    assert.throws(() => rng.permutation(bad), /a length/);
    assert.throws(() => rng.split(bad), /a string or an integer/);
  }
  for (const bad of [0, -1, 0.5, 2 ** 32 + 1, Number.NaN])
    assert.throws(() => rng.integer(bad), /n from 1 to 2\^32/);
  assert.throws(() => rng.uniform(1, 0, Infinity), /finite/);
  assert.throws(() => rng.normal(1, Number.NaN), /finite/);
  assert.equal(rng.state(), before);
  for (const state of [
    { key: [0], position: 0 },
    { key: [0, 2 ** 32], position: 0 },
    { key: [0, -1], position: 0 },
    { key: [0, 0], position: -1 },
    { key: "00", position: 0 },
  ]) {
    assert.throws(
      () => randomFromState(state as never),
      (error: unknown) => error instanceof ArgumentError,
    );
  }
});

test.run();
