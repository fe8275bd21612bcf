/**
 * @file The kernels' entry points for JavaScript: `run` for the main thread, and `serve` for the workers.
 * AssemblyScript, compiled to WebAssembly by core/cpu/build.js.
 */

import { runJob, serveJobs } from "./board";
import { dequantize } from "./dequantize";
import { adam, binary, unary } from "./elementwise";
import { multiplyBatch, multiplyTiles, packOperands } from "./matmul";
import { normalize, normalizeGrad, reduceColumns, reduceRows, softmax, softmaxGrad } from "./rows";

/** Computes one chunk of a kernel. The numbers of the kernels are those of core/cpu/wasm-runtime.ts. */
function runChunk(kernel: i32, chunk: i32): void {
  switch (kernel) {
    case 0: return packOperands(chunk);
    case 1: return multiplyTiles(chunk);
    case 2: return multiplyBatch(chunk);
    case 3: return unary(chunk);
    case 4: return binary(chunk);
    case 5: return reduceRows(chunk);
    case 6: return reduceColumns(chunk);
    case 7: return softmax(chunk);
    case 8: return softmaxGrad(chunk);
    case 9: return normalize(chunk);
    case 10: return normalizeGrad(chunk);
    case 11: return adam(chunk);
    case 12: return dequantize(chunk);
  }
}

/** Runs a kernel whose arguments are on the job board, and returns when all of its chunks are done. */
export function run(kernel: i32, chunks: i32): void {
  runJob(kernel, chunks, runChunk);
}

/** The loop of worker number `thread`: waits for jobs and takes part in them. Never returns. */
export function serve(thread: i32): void {
  serveJobs(thread, runChunk);
}
