import * as fc from "fast-check";
import { openDevice, random, scope } from "lowrank/core";
import { suite } from "uvu";
import { setThreads } from "../../../core/cpu/index.ts";
import { reference } from "../../../core/device/reference.ts";

const test = suite("cpu dequantize");

const codes = fc.record({
  size: fc.oneof(fc.nat(200), fc.integer({ min: 300_000, max: 300_100 })),
  blockSize: fc.constantFrom(2, 32, 64, 96, 4096),
  seed: fc.nat(1000),
  threads: fc.constantFrom(1, 2),
  inScope: fc.boolean(),
});

test("gives the reference's numbers bit for bit, at any length, block size and number of threads", () => {
  const dequantize = openDevice("cpu").kernels.dequantize;
  if (!dequantize) throw new Error("expected a kernel");
  fc.assert(
    fc.property(codes, ({ size, blockSize, seed, threads, inScope }) => {
      setThreads(threads);
      const rng = random(seed);
      const from = {
        shape: [size],
        codes: Uint8Array.from({ length: Math.ceil(size / 2) }, () => rng.bits() & 255),
        values: rng.normal(16),
        scales: rng.normal(Math.ceil(size / blockSize)),
        blockSize,
      };
      const expected = reference.dequantize(from).data;
      const run = () => dequantize(from).data.slice();
      const got = inScope ? scope(run) : run();
      return got.length === size && got.every((value, i) => Object.is(value, expected[i]));
    }),
  );
});

test.run();
