import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { widenFloat8e4m3, widenFloat8e5m2 } from "../../../core/files/float8.ts";
import {
  bfloat16ToNumber,
  float16ToNumber,
  narrowToBfloat16,
  narrowToFloat16,
  numberToBfloat16,
  numberToFloat16,
  roundToBfloat16,
  roundToFloat16,
  widenBfloat16,
  widenFloat16,
} from "../../../core/files/float16.ts";

const test = suite("float16 and float8");

/** What each format is, written down independently of the code: value = (-1)^s · 2^e · fraction. */
const formats = [
  {
    name: "bfloat16",
    exponentBits: 8,
    fractionBits: 7,
    toNumber: bfloat16ToNumber,
    fromNumber: numberToBfloat16,
    widen: widenBfloat16,
    narrow: narrowToBfloat16,
    round: roundToBfloat16,
  },
  {
    name: "float16",
    exponentBits: 5,
    fractionBits: 10,
    toNumber: float16ToNumber,
    fromNumber: numberToFloat16,
    widen: widenFloat16,
    narrow: narrowToFloat16,
    round: roundToFloat16,
  },
];

function definition(code: number, exponentBits: number, fractionBits: number): number {
  const sign = code & 0x8000 ? -1 : 1;
  const exponent = (code >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (code & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

const allCodes = Uint16Array.from({ length: 65536 }, (_, code) => code);

for (const { name, exponentBits, fractionBits, toNumber, fromNumber, widen, narrow, round } of formats) {
  const infinity = (2 ** exponentBits - 1) << fractionBits;
  const finite = fc.nat(infinity - 1);

  test(`${name}: widening gives the value the format defines, for all 65,536 codes`, () => {
    const wide = widen(allCodes);
    for (const code of allCodes) {
      const value = definition(code, exponentBits, fractionBits);
      if (!Object.is(wide[code], value) || !Object.is(toNumber(code), value)) {
        assert.unreachable(`code ${code}: expected ${value}, got ${wide[code]} and ${toNumber(code)}`);
      }
    }
  });

  test(`${name}: narrowing undoes widening, for all 65,536 codes, NaN payloads and -0 included`, () => {
    assert.equal(narrow(widen(allCodes)), allCodes);
    for (const code of allCodes) {
      const value = toNumber(code);
      const back = fromNumber(value);
      if (!(Number.isNaN(value) ? Number.isNaN(toNumber(back)) : back === code)) {
        assert.unreachable(`code ${code} came back as ${back}`);
      }
    }
  });

  test(`${name}: a NaN narrows to a NaN whatever its payload`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 23 - 1 }), fc.boolean(), (payload, negative) => {
        const bits = Uint32Array.of((negative ? 0xff800000 : 0x7f800000) + payload);
        const [code] = narrow(new Float32Array(bits.buffer));
        assert.ok(Number.isNaN(toNumber(code)));
        assert.is(code >> 15, negative ? 1 : 0);
      }),
    );
  });

  test(`${name}: between two neighbours, x rounds to the nearer one, and halfway to the even one`, () => {
    // Midpoints and their neighbours are exact in double: neighbours differ by at least 2^-133.
    fc.assert(
      fc.property(finite, fc.boolean(), fc.double({ min: 0, max: 1, noNaN: true }), (code, negative, t) => {
        const sign = negative ? -1 : 1;
        const flag = negative ? 0x8000 : 0;
        const low = toNumber(code);
        const next = code + 1 === infinity ? low + (low - toNumber(code - 1)) : toNumber(code + 1);
        const middle = low + (next - low) / 2;
        const even = code % 2 === 0 ? code : code + 1;
        const x = low + t * (next - low);
        const nearest = x < middle ? code : x > middle ? code + 1 : even;
        assert.is(fromNumber(sign * x), flag | nearest);
        assert.is(fromNumber(sign * middle), flag | even);
        const ulp = middle * 2 ** -52;
        assert.is(fromNumber(sign * (middle - ulp)), flag | code, "a hair below the middle, in double");
        assert.is(fromNumber(sign * (middle + ulp)), flag | (code + 1), "a hair above the middle, in double");
        assert.equal(narrow(Float64Array.of(sign * x)), Uint16Array.of(flag | nearest));
        const single = Math.fround(sign * x);
        assert.equal(narrow(Float32Array.of(single)), Uint16Array.of(fromNumber(single)));
      }),
      { numRuns: 5000 },
    );
  });

  test(`${name}: rounding keeps order, and from halfway past the largest value on gives infinity`, () => {
    const any = fc.double({ noNaN: true });
    fc.assert(
      fc.property(any, any, (x, y) => {
        const [a, b] = round(Float64Array.of(Math.min(x, y), Math.max(x, y)));
        assert.ok(a <= b);
      }),
      { numRuns: 2000 },
    );
    const largest = toNumber(infinity - 1);
    const halfway = largest + (largest - toNumber(infinity - 2)) / 2;
    assert.equal(
      round(Float64Array.of(halfway, -halfway, 1e308)),
      Float64Array.of(Infinity, -Infinity, Infinity),
    );
    assert.is(round(Float64Array.of(halfway * (1 - 2 ** -53)))[0], largest);
  });

  test(`${name}: rounding is idempotent and keeps the kind of array`, () => {
    fc.assert(
      fc.property(fc.float32Array(), (x) => {
        const once = round(x);
        assert.instance(once, Float32Array);
        assert.is.not(once, x);
        assert.ok(round(once).every((value, i) => Object.is(value, once[i]))); // a NaN's payload may change on its way
        const wide = round(Float64Array.from(x));
        assert.instance(wide, Float64Array);
        assert.ok(wide.every((value, i) => Object.is(value, once[i])));
      }),
    );
  });
}

test("float16 subarrays that do not start at a multiple of 4 elements narrow as copies do", () => {
  const whole = Float32Array.of(0, 1.5, 2.5, 3.3);
  assert.equal(narrowToFloat16(whole.subarray(1)), narrowToFloat16(whole.slice(1)));
  assert.equal(widenBfloat16(Uint16Array.of(7, 0x3f80).subarray(1)), Float32Array.of(1));
});

/** The value of an 8-bit code, from its bits as text. */
function definitionOf8(code: number, exponentBits: number): number {
  const bits = code.toString(2).padStart(8, "0");
  const [exponent, fraction] = [bits.slice(1, 1 + exponentBits), bits.slice(1 + exponentBits)];
  const sign = bits[0] === "1" ? -1 : 1;
  const [ones, parts] = [!exponent.includes("0"), Number.parseInt(fraction, 2) / 2 ** fraction.length];
  if (exponentBits === 5 && ones) return parts === 0 ? sign * Infinity : Number.NaN;
  if (exponentBits === 4 && ones && !fraction.includes("0")) return Number.NaN;
  const e = Number.parseInt(exponent, 2);
  const bias = 2 ** (exponentBits - 1) - 1;
  return e === 0 ? sign * parts * 2 ** (1 - bias) : sign * (1 + parts) * 2 ** (e - bias);
}

for (const [name, exponentBits, widen, largest] of [
  ["E5M2", 5, widenFloat8e5m2, 57344],
  ["E4M3", 4, widenFloat8e4m3, 448],
] as const) {
  test(`float8 ${name}: widening gives the value the format defines, for all 256 codes`, () => {
    const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
    const wide = widen(codes);
    for (const code of codes)
      assert.ok(Object.is(wide[code], definitionOf8(code, exponentBits)), `code ${code}: ${wide[code]}`);
    assert.is(Math.max(...wide.filter(Number.isFinite)), largest);
  });
}

test.run();
