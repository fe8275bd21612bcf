/** @file Y = A B on the cpu device: which way a product goes. The arithmetic is in assembly/matmul.ts. */

import { empty, type NDArray } from "../ndarray.ts";
import { type Shape, sizeOf } from "../shape.ts";
import { kernels, type Machine, type Operands } from "./machine.ts";

/** Multiplications and additions in a nanosecond on one thread, about. */
const FLOPS_PER_NANOSECOND = 30;

/** Products up to this many multiplications are done whole by one thread when there are several of them. */
const SMALL = 2 ** 20;

/** One product, or several of the same shape. Strides in bytes. */
interface Product {
  readonly n: number;
  readonly k: number;
  readonly m: number;
  readonly a: number;
  readonly aRow: number;
  readonly aCol: number;
  readonly b: number;
  readonly bRow: number;
  readonly bCol: number;
  readonly y: number;
  readonly yRow: number;
  readonly yCol: number;
}

export function matmul(machine: Machine, a: NDArray, b: NDArray): NDArray {
  const batch = a.shape.slice(0, -2);
  const products = sizeOf(batch);
  const [n, k] = a.shape.slice(-2);
  const m = b.shape[b.rank - 1];
  const result = empty([...batch, n, m]);
  machine.call((operands) => {
    const given = {
      ...{ n, k, m },
      ...{ a: operands.strided(a), aRow: stride(a, -2), aCol: stride(a, -1) },
      ...{ b: operands.strided(b), bRow: stride(b, -2), bCol: stride(b, -1) },
      ...{ y: operands.output(result), yRow: m * 4, yCol: 4 },
    };
    const product = oriented(given);
    const [left, right] = product === given ? [a, b] : [b, a];
    const tables = operands.workspace(products * 8);
    const { words } = machine.memory;
    const offsetsOfA = words.subarray(tables / 4, tables / 4 + products);
    const offsetsOfB = words.subarray(tables / 4 + products, tables / 4 + 2 * products);
    fillOffsets(offsetsOfA, batch, left.strides);
    fillOffsets(offsetsOfB, batch, right.strides);
    if (products > 1 && n * k * m <= SMALL) manySmall(machine, operands, product, products, tables);
    else {
      for (let p = 0; p < products; p++) {
        large(machine, operands, {
          ...product,
          a: product.a + offsetsOfA[p],
          b: product.b + offsetsOfB[p],
          y: product.y + p * n * m * 4,
        });
      }
    }
  });
  return result;
}

/** Where each matrix of the batch begins, in bytes from the first, in row-major order. */
function fillOffsets(offsets: Uint32Array, batch: Shape, strides: readonly number[]): void {
  offsets[0] = 0;
  let known = 1;
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const step = strides[axis] * 4;
    for (let i = known; i < known * batch[axis]; i++) offsets[i] = offsets[i - known] + step;
    known *= batch[axis];
  }
}

/** In bytes. The stride of an axis of length 1 does not matter; that of neighbours is the most convenient. */
function stride(x: NDArray, axis: -1 | -2): number {
  return x.shape.at(axis) === 1 ? 4 : (x.strides.at(axis) as number) * 4;
}

/**
 * Yᵀ = Bᵀ Aᵀ instead, where that saves packing the one large operand: a few rows times a matrix stored
 * transposed, or a matrix stored transposed times a few columns.
 */
function oriented(p: Product): Product {
  const fewRows = p.n <= 4 && p.m > 4 && p.bRow === 4 && p.bCol !== 4;
  const fewColumns = p.m <= 4 && p.n > 4 && p.aRow === 4 && p.aCol !== 4;
  if (!fewRows && !fewColumns) return p;
  return {
    ...{ n: p.m, k: p.k, m: p.n },
    ...{ a: p.b, aRow: p.bCol, aCol: p.bRow },
    ...{ b: p.a, bRow: p.aCol, bCol: p.aRow },
    ...{ y: p.y, yRow: p.yCol, yCol: p.yRow },
  };
}

const readsAInPlace = ({ aCol }: Product): boolean => aCol === 4;
/** Not where every row is the same one (a row step of 0): to the kernels a step of 0 means a packed B. */
const readsBInPlace = ({ n, bRow, bCol }: Product): boolean => n <= 4 && bCol === 4 && bRow !== 0;

/** Bytes of B in strips; the last strip may be narrower than 16, never mind. */
const packedBytes = ({ k, m }: Product): number => Math.ceil(m / 16) * k * 64;

/** Bytes between the rows of A's copy; a little more than the row, for powers of two crowd in the cache. */
const copyRow = ({ k }: Product): number => k * 4 + 64;

function manySmall(machine: Machine, operands: Operands, p: Product, products: number, tables: number): void {
  const copyBytes = readsAInPlace(p) ? 0 : p.n * copyRow(p);
  const bytes = copyBytes + (readsBInPlace(p) ? 0 : packedBytes(p)) + 64;
  machine.run(
    kernels.multiplyBatch,
    machine.chunks(products, (2 * products * p.n * p.k * p.m) / FLOPS_PER_NANOSECOND),
    [
      ...[p.a, p.aRow, p.aCol, p.b, p.bRow, p.bCol, p.y, p.yRow, p.yCol, p.n, p.k, p.m, products],
      ...[tables, tables + products * 4, p.n * p.m * 4],
      ...[operands.workspace(bytes * machine.threads), bytes, copyBytes, readsBInPlace(p) ? 1 : 0],
    ],
  );
}

function large(machine: Machine, operands: Operands, p: Product): void {
  const { n, k, m } = p;
  const strips = Math.ceil(m / 16);
  const copiesA = !readsAInPlace(p);
  const packsB = !readsBInPlace(p);
  const packed = packsB ? operands.workspace(packedBytes(p)) : 0;
  const copy = copiesA ? operands.workspace(n * copyRow(p)) : 0;
  if (packsB || copiesA) {
    const forB = packsB ? machine.chunks(strips, k * m) : 0;
    const forA = copiesA ? machine.chunks(Math.ceil(n / 4), n * k) : 0;
    machine.run(kernels.packOperands, forA + forB, [
      ...[p.a, p.aRow, p.aCol, p.b, p.bRow, p.bCol, n, k, m],
      ...[packed, copy, copyRow(p), forB],
    ]);
  }
  const wanted = machine.chunks(n * m, (2 * n * k * m) / FLOPS_PER_NANOSECOND);
  // Blocks of at most 64 rows keep their part of A in the second-level cache while the strips of B pass.
  const groups = Math.ceil(n / 8);
  const rowBlocks = Math.min(groups, Math.max(Math.ceil(n / 64), wanted));
  const stripBlocks = Math.min(strips, Math.ceil(wanted / rowBlocks));
  machine.run(kernels.multiplyTiles, rowBlocks * stripBlocks, [
    ...(copiesA ? [copy, copyRow(p), 4] : [p.a, p.aRow, p.aCol]),
    ...(packsB ? [packed, 0] : [p.b, p.bRow]),
    ...[p.y, p.yRow, p.yCol, n, k, m, rowBlocks, stripBlocks],
  ]);
}
