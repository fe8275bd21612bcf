/** @file The number of threads changes how long a result takes, and not one bit of it. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { array, type Kernels, mT, type NDArray, openDevice, scope } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { setThreads, startedWorkers } from "../../../core/cpu/index.ts";
import { numbers } from "../../support/numbers.ts";
import { checksum } from "./checksum.ts";

const test = suite("cpu threads");
const cpu = openDevice("cpu").kernels as Kernels;

const matrix = (n: number, m: number): NDArray => array(numbers(n * m, n * m), [n, m]);

/** One of each kernel, large enough to be shared out. */
const results = (): NDArray[] => [
  cpu.matmul(matrix(301, 299), matrix(299, 150)),
  cpu.matmul(mT(matrix(700, 130)), mT(matrix(60, 700))),
  cpu.matmul(array(numbers(1, 40 * 33 * 64), [40, 33, 64]), array(numbers(2, 40 * 64 * 31), [40, 64, 31])),
  cpu.unary("exp", matrix(300, 301)),
  cpu.binary("add", matrix(300, 301), array(numbers(3, 301)), [300, 301]),
  cpu.binary("mul", array(numbers(3, 90001)), array(numbers(4, 90001)), [90001]),
  cpu.reduce("sum", matrix(300, 501), 300, 501, 1, [300]),
  cpu.reduce("sum", matrix(300, 501), 1, 300, 501, [501]),
  cpu.reduce("sum", matrix(300, 501), 1, 300 * 501, 1, []),
  cpu.softmax(matrix(300, 301), false),
  cpu.softmaxGrad(matrix(300, 301), matrix(300, 301)),
  cpu.normalize(matrix(300, 301), 1e-5, true).xHat,
  cpu.normalizeGrad(matrix(300, 301), matrix(300, 1), matrix(300, 301), true),
];

const bits = (x: NDArray): number[] => [...new Uint32Array(Float32Array.from(x.data).buffer)];

/** Keeps two workers busy until both are up; that they come at all is what is tested, on a busy machine too. */
function startWorkers(): void {
  setThreads(3);
  const deadline = Date.now() + 120_000;
  while (startedWorkers() < 2 && Date.now() < deadline) cpu.matmul(matrix(128, 128), matrix(128, 128));
  assert.is(startedWorkers(), 2, "workers come up while the main thread is busy");
}

test("the same bits with 1, 2 and 3 threads, inside and outside a scope", () => {
  startWorkers();
  setThreads(1);
  const alone = results().map(bits);
  for (const threads of [2, 3]) {
    setThreads(threads);
    for (let repeat = 0; repeat < 3; repeat++) {
      assert.equal(results().map(bits), alone, `${threads} threads`);
      assert.equal(
        scope(() => results().map(bits)),
        alone,
        `${threads} threads, in a scope`,
      );
    }
  }
});

/** What a program prints, run from the top folder; it must end by itself, and well. */
function printed(program: string): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", program],
    {
      cwd: fileURLToPath(new URL("../../..", import.meta.url)),
      env: { ...process.env, LOWRANK_THREADS: "2" },
      encoding: "utf8",
      timeout: 240_000, // against hanging
    },
  );
  assert.is(status, 0, stderr);
  return stdout.trim();
}

test("a program that used threads ends by itself", () => {
  const ones = printed(`
    import { array, openDevice } from "lowrank/core";
    const x = array(new Float32Array(512 * 512).fill(1), [512, 512]);
    const { matmul } = openDevice("cpu").kernels;
    for (let i = 0; i < 20; i++) matmul(x, x);
    console.log(matmul(x, x).data[0]);
  `);
  assert.is(ones, "512");
});

test("without shared memory: one thread, the same bits", () => {
  const program = `
    import { openDevice } from "lowrank/core";
    import { checksum } from "./test/core/cpu/checksum.ts";
    delete globalThis.SharedArrayBuffer; // after the imports: tsx needs it where its cache is cold
    console.log(openDevice("cpu").adapter, checksum());
  `;
  assert.is(printed(program), `WebAssembly SIMD, 1 thread ${checksum()}`);
});

test.run();
