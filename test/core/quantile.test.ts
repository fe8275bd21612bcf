import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { erf, erfc, normalCdf, normalQuantile, portableLog } from "../../core/math/quantile.ts";

const test = suite("quantile");

const eps = 2 ** -52;

function close(got: number, expected: number, tolerance: number, what: string): void {
  const error = Math.abs(got - expected);
  assert.ok(error <= tolerance, `${what}: expected ${expected}, got ${got}, error ${error} > ${tolerance}`);
}

// Values to 20 digits from mpmath, at and around the borders of the approximations. The approximations are good to
// about 1e-16; evaluating them takes some twenty roundings, most of them of small terms: 4 ε holds everywhere.

test("erf and erfc agree with values to twenty digits", () => {
  const table = [
    [0.1, 0.1124629160182849, 0.887537083981715],
    [0.46875, 0.4926134732179382, 0.507386526782062],
    [0.5, 0.5204998778130465, 0.4795001221869535],
    [1, 0.8427007929497149, 0.15729920705028513],
    [2, 0.9953222650189527, 0.004677734981047266],
    [3.5, 0.9999992569016277, 7.430983723414127e-7],
    [4, 0.9999999845827421, 1.541725790028002e-8],
    [4.5, 0.999999999803384, 1.9661604415428876e-10],
    [5.9, 0.9999999999999999, 7.190409783550478e-17],
    [10, 1, 2.0884875837625446e-45],
    [26, 1, 5.663192408856143e-296],
  ];
  for (const [x, value, complement] of table) {
    close(erf(x), value, 4 * eps * value, `erf(${x})`);
    close(erfc(x), complement, 4 * eps * complement, `erfc(${x})`);
    assert.is(erf(-x), -erf(x));
    close(erfc(-x), 1 + value, 4 * eps, `erfc(-${x})`);
  }
});

test("erf and erfc at zero, at infinity and of NaN", () => {
  assert.ok(Object.is(erf(0), 0) && Object.is(erf(-0), -0));
  assert.is(erfc(0), 1);
  assert.equal([erf(Infinity), erf(-Infinity), erfc(Infinity), erfc(-Infinity)], [1, -1, 0, 2]);
  assert.ok(Number.isNaN(erf(Number.NaN)) && Number.isNaN(erfc(Number.NaN)));
  assert.is(erf(5e-324), 5e-324); // 2/√π · 2^-1074 rounds to 2^-1074
});

test("erf(x) + erfc(x) = 1, and erf increases", () => {
  const x = fc.double({ min: -7, max: 7, noNaN: true });
  fc.assert(
    fc.property(x, x, (x, y) => {
      close(erf(x) + erfc(x), 1, 4 * eps, `x = ${x}`);
      // Neighbouring values may fall the wrong way by their rounding errors.
      if (x < y) assert.ok(erf(y) - erf(x) >= -4 * eps);
    }),
  );
});

test("the quantile function agrees with values to twenty digits", () => {
  const table = [
    [0.5, 0],
    [0.25, -0.6744897501960817],
    [0.075, -1.439531470938456],
    [0.001, -3.0902323061678136],
    [1e-10, -6.361340902404056],
    [1e-20, -9.262340089798409],
    [1e-100, -21.273453560965326],
    [1e-300, -37.0470962993612],
  ];
  for (const [p, x] of table) close(normalQuantile(p), x, 4 * eps * Math.abs(x), `quantile of ${p}`);
});

test("the quantile function is odd about 1/2", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 32 - 1 }), (k) => {
      const p = k * 2 ** -32; // 1 - p is exact
      assert.is(normalQuantile(1 - p) + normalQuantile(p), 0);
    }),
  );
});

test("Φ undoes the quantile function", () => {
  // dp/p = (φ(x)/Φ(x)) dx, and φ/Φ < |x| + 1 for x < 0: an error of 4 ε |x| in x becomes 4 ε |x| (|x| + 1) in p; the
  // rounding of x/√2 adds as much as ε x², and erfc a few ε.
  const bound = (x: number) => (5 * Math.abs(x) * (Math.abs(x) + 1) + 5) * eps;
  fc.assert(
    fc.property(fc.double({ min: 0, max: 300, noNaN: true }), (digits) => {
      const p = 0.5 * 10 ** -digits;
      const x = normalQuantile(p);
      close(normalCdf(x), p, bound(x) * p, `p = ${p}`);
    }),
    { numRuns: 2000 },
  );
});

test("the quantile function undoes Φ in the lower half", () => {
  // The other way round, with dx = dp Φ/φ, and Φ/φ ≤ min(√(π/2), 1/|x|) for x < 0.
  fc.assert(
    fc.property(fc.double({ min: -37, max: 0, noNaN: true }), (x) => {
      const relative = (5 * x * x + 5) * eps;
      const slope = Math.min(1.2534, 1 / Math.max(1e-9, -x));
      close(normalQuantile(normalCdf(x)), x, relative * slope + 4 * eps * -x, `x = ${x}`);
    }),
    { numRuns: 2000 },
  );
});

test("the quantile function at the ends of [0, 1] and outside", () => {
  assert.equal([normalQuantile(0), normalQuantile(1)], [-Infinity, Infinity]);
  for (const p of [-0.1, 1.1, Number.NaN, Infinity]) assert.ok(Number.isNaN(normalQuantile(p)), `p = ${p}`);
  assert.ok(normalQuantile(5e-324) < -38);
});

test("the logarithm agrees with values to twenty digits, is 0 at 1, and turns products into sums", () => {
  const table = [
    [2, Math.LN2],
    [10, Math.LN10],
    [0.1, -Math.LN10],
    [1e-300, -690.7755278982137],
    [5e-324, -744.4400719213812],
    [0.7, -0.35667494393873245],
    [Math.SQRT2, 0.34657359027997275],
    [1.5, 0.4054651081081644],
    [1 + eps, eps],
  ];
  for (const [x, value] of table) close(portableLog(x), value, eps * Math.abs(value), `log ${x}`);
  assert.is(portableLog(1), 0);
  const x = fc.double({ min: 1e-150, max: 1e150, noNaN: true });
  fc.assert(
    fc.property(x, x, (x, y) => {
      const [a, b] = [portableLog(x), portableLog(y)];
      // One ε for each logarithm, for the sum, and for the rounding of the product.
      close(portableLog(x * y), a + b, eps * (2 * Math.abs(a) + 2 * Math.abs(b) + 2), `log ${x} ${y}`);
    }),
  );
});

test.run();
