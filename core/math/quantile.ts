/**
 * @file The standard normal distribution, in double precision.
 *
 *     erf(x) = 2/√π ∫₀ˣ e^(-t²) dt      erfc(x) = 1 - erf(x)
 *     Φ(x)   = erfc(-x/√2) / 2          the probability of a value ≤ x
 *     Φ⁻¹(p)                            the quantile: the x with Φ(x) = p
 *
 * erf and erfc: W. J. Cody, 1969, "Rational Chebyshev Approximations for the Error Function", Math. Comp. 23,
 * 631-637. Φ⁻¹: M. J. Wichura, 1988, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied
 * Statistics 37, 477-484 (routine PPND16). Relative errors are a few 1e-16; far in the lower tail that of Φ grows as x² ε,
 * since x/√2 is rounded.
 *
 * Φ⁻¹ uses only operations that IEEE 754 rounds correctly (+ - * / √ and a logarithm made of them), so its last digit
 * is the same on every platform; random numbers rest on that. `Math.exp`, inside erf and erfc, may differ in it.
 */

/** p(x) = c[0] xⁿ + … + c[n] */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = coefficients[0];
  for (let i = 1; i < coefficients.length; i++) sum = sum * x + coefficients[i];
  return sum;
}

// Published coefficients, rounded to double, highest power first. Cody: erf(x) = x p(x²)/q(x²) up to 0.46875;
// erfc(x) = e^(-x²) p(x)/q(x) up to 4; beyond, erfc(x) = e^(-x²)/x (1/√π - z p(z)/q(z)) with z = 1/x².
const nearP = [
  0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694,
];
const nearQ = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171];
const middleP = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001,
  881.952221241769, 1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
];
const middleQ = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
];
const farP = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
  6.587491615298378e-4,
];
const farQ = [
  1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
];
const inverseRootPi = 0.5641895835477563; // 1/√π

/** 2/√π ∫₀ˣ e^(-t²) dt, from -1 to 1. */
export function erf(x: number): number {
  const y = Math.abs(x);
  if (y <= 0.46875) return erfNear(x);
  if (y >= 6) return Math.sign(x); // 1 - erf(6) < 2^-54
  return Math.sign(x) * (1 - erfcBeyond(y));
}

/** 1 - erf(x), precise for large x too, where it is tiny. */
export function erfc(x: number): number {
  const y = Math.abs(x);
  if (y <= 0.46875) return 1 - erfNear(x);
  return x < 0 ? 2 - erfcBeyond(y) : erfcBeyond(y);
}

/** |x| ≤ 0.46875 */
function erfNear(x: number): number {
  const z = x * x;
  return (x * polynomial(nearP, z)) / polynomial(nearQ, z);
}

/** erfc(y) for y > 0.46875 */
function erfcBeyond(y: number): number {
  if (y > 28) return 0; // below the smallest double
  // y² is rounded, and e^(-y²) would multiply that error by y²: split y so that the square of its part is exact.
  const part = Math.trunc(y * 16) / 16;
  const gauss = Math.exp(-part * part) * Math.exp(-(y - part) * (y + part));
  if (y <= 4) return (gauss * polynomial(middleP, y)) / polynomial(middleQ, y);
  const z = 1 / (y * y);
  return (gauss / y) * (inverseRootPi - (z * polynomial(farP, z)) / polynomial(farQ, z));
}

/** Φ(x): the probability that a standard normal value is at most x. */
export function normalCdf(x: number): number {
  return erfc(-x * Math.SQRT1_2) / 2;
}

// Wichura: |p - 1/2| ≤ 0.425; then √(-ln p) ≤ 5; then the far tail.
const centreP = [
  2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946,
  1971.5909503065513, 133.14166789178438, 3.3871328727963665,
];
const centreQ = [
  5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
  687.1870074920579, 42.31333070160091, 1,
];
const tailP = [
  7.745450142783414e-4, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
  5.769497221460691, 4.630337846156546, 1.4234371107496835,
];
const tailQ = [
  1.0507500716444169e-9, 5.475938084995345e-4, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
  1.6763848301838038, 2.053191626637759, 1,
];
const farTailP = [
  2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124,
  0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103,
];
const farTailQ = [
  2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 7.868691311456133e-4,
  0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1,
];

/** Φ⁻¹(p): the x that a standard normal value is below with probability p. -∞ at 0, ∞ at 1, NaN outside [0, 1]. */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(centreP, r)) / polynomial(centreQ, r);
  }
  const tail = q < 0 ? p : 1 - p; // exact: p ≥ 1/2
  if (!(tail > 0)) return tail === 0 ? (q < 0 ? -Infinity : Infinity) : Number.NaN;
  const r = Math.sqrt(-portableLog(tail));
  const x =
    r <= 5
      ? polynomial(tailP, r - 1.6) / polynomial(tailQ, r - 1.6)
      : polynomial(farTailP, r - 5) / polynomial(farTailQ, r - 5);
  return q < 0 ? -x : x;
}

const logScratch = new Float64Array(1);
const logBits = new Uint32Array(logScratch.buffer);
const ln2High = 0.6931471803691238; // ln 2 cut after 32 bits: its product with an exponent is exact
const ln2Low = 1.9082149292705877e-10;

/**
 * ln x for finite x > 0, from correctly rounded operations only. With x = 2^k m, √½ < m ≤ √2, and s = (m-1)/(m+1):
 *
 *     ln x = k ln 2 + 2 artanh s = k ln 2 + 2 (s + s³/3 + s⁵/5 + …)      |s| ≤ 0.1716: s²⁵ < 2^-63
 */
export function portableLog(x: number): number {
  let k = 0;
  logScratch[0] = x;
  if (x < 2 ** -1022) {
    logScratch[0] = x * 2 ** 54; // subnormal
    k = -54;
  }
  k += (logBits[1] >>> 20) - 1023;
  logBits[1] = (logBits[1] & 0x000fffff) | 0x3ff00000;
  let m = logScratch[0]; // [1, 2)
  if (m > Math.SQRT2) {
    m /= 2;
    k++;
  }
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  // ln m = 2s + 2s(z/3 + z²/5 + …), and 2s = f - s f, so the large term f is exact.
  const series = 2 * z * polynomial(oddReciprocals, z); // (2 artanh s - 2s) / s
  return k * ln2High + (f + (k * ln2Low - s * (f - series)));
}

/** 1/23, 1/21, …, 1/3 */
const oddReciprocals = Array.from({ length: 11 }, (_, i) => 1 / (23 - 2 * i));
