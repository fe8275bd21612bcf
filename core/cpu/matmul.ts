/**
 * @file Y = A B on the cpu device: decides how a product is laid out and cut. The arithmetic is in
 * assembly/matmul.ts.
 *
 * Operands outside the arena are copied into the window, and packed operands lie there too. A product for which the
 * window is too small is cut in halves, again and again: by matrices of the batch, rows, columns, or steps of k. The
 * halves of k are added in the order in which the whole would be summed, so the bits of a product do not depend on
 * where its arrays lie.
 *
 * Largest sizes: any number of rows, columns, steps of k and matrices for which the system grants the arrays; outside
 * the arena an array may be larger than 4 GiB. One kernel call sees only the memory of at most 4 GiB, which holds
 * fewer than 2³⁰ numbers: counts of elements fit into an i32 and addresses, read as unsigned, into 32 bits.
 */

import { mT } from "../array/movement.ts";
import { empty, type NDArray } from "../array/ndarray.ts";
import { type Shape, sizeOf } from "../array/shape.ts";
import { footprint, type Operands, part, placedStrides } from "./operands.ts";
import { kernels, type WasmRuntime } from "./wasm-runtime.ts";

/** Multiplications and additions that one thread does in a nanosecond, roughly. */
const FLOPS_PER_NANOSECOND = 30;

/** In a batch, products of up to this many multiplications are each computed by one thread. */
const SMALL = 2 ** 20;

/** Most steps of k that are summed in registers before the sum is added to Y. */
const STEPS = 256;

/** A product, or a part of one: views A [...p, n, k], B [...p, k, m] and Y [...p, n, m]. */
interface Product {
  readonly a: NDArray;
  readonly b: NDArray;
  readonly y: NDArray;
  /** Steps of k that are summed in registers; the same in all parts of a product. */
  readonly steps: number;
  /** True when Y already has the sum over smaller k, to which A B is added. */
  readonly adds: boolean;
}

export function matmul(runtime: WasmRuntime, a: NDArray, b: NDArray): NDArray {
  const k = a.shape[a.rank - 1];
  const y = empty([...a.shape.slice(0, -1), b.shape[b.rank - 1]]);
  multiply(runtime, { a, b, y, steps: Math.ceil(k / Math.ceil(k / STEPS)), adds: false });
  return y;
}

/** Runs the product in one kernel call if it fits into the window, else each half in turn. */
function multiply(runtime: WasmRuntime, product: Product): void {
  const { a, b, y } = product;
  const batch = y.shape.slice(0, -2);
  const products = sizeOf(batch);
  const [n, m] = y.shape.slice(-2);
  const isSmall = products > 1 && n * a.shape[a.rank - 1] * m <= SMALL;
  const { left, right, isSwapped } = oriented(product);
  const layout = layoutOf(left, right, isSwapped ? mT(y) : y);
  const own = layout.copyBytes + layout.packedBytes;
  const workspace = isSmall ? 12 * products + (own + 64) * runtime.threads : own;
  const brought = [a, b, y].map(footprint);
  if (workspace + brought[0] + brought[1] + brought[2] > runtime.windowCapacity) {
    const [leftBytes, rightBytes] = [layout.copyBytes, layout.packedBytes];
    const bytes = [
      brought[0] + (isSwapped ? rightBytes : leftBytes),
      brought[1] + (isSwapped ? leftBytes : rightBytes),
      brought[2],
    ];
    for (const half of halves(product, bytes)) multiply(runtime, half);
    return;
  }
  runtime.call((operands) => {
    const A = operands.input(left);
    const B = operands.input(right);
    const Y = operands.output(y, product.adds);
    const [yRow, yCol] = inBytes(Y.strides);
    const args: Arguments = {
      ...layout,
      ...{ a: A.address, b: B.address, y: Y.address },
      ...(isSwapped ? { yRow: yCol, yCol: yRow } : { yRow, yCol }),
      ...{ steps: product.steps, adds: product.adds },
    };
    const offsets = [A, B, Y].map(({ strides }) => offsetsOf(batch, strides));
    if (isSmall) {
      several(runtime, operands, args, products, offsets);
      return;
    }
    const [packed, copy] = [operands.workspace(layout.packedBytes), operands.workspace(layout.copyBytes)];
    const [ofA, ofB, ofY] = offsets;
    for (let p = 0; p < products; p++) {
      const [a, b, y] = [A.address + ofA[p], B.address + ofB[p], Y.address + ofY[p]];
      single(runtime, { ...args, a, b, y }, packed, copy);
    }
  });
}

/** A range of a product's rows "n", columns "m", steps "k", or of an axis of the batch. */
interface Cut {
  readonly axis: number | "n" | "m" | "k";
  readonly from: number;
  readonly to: number;
}

function partOf(product: Product, { axis, from, to }: Cut): Product {
  const { a, b, y } = product;
  const last = y.rank - 1;
  if (axis === "n") return { ...product, a: part(a, last - 1, from, to), y: part(y, last - 1, from, to) };
  if (axis === "m") return { ...product, b: part(b, last, from, to), y: part(y, last, from, to) };
  if (axis === "k") {
    const adds = product.adds || from > 0;
    return { ...product, a: part(a, last, from, to), b: part(b, last - 1, from, to), adds };
  }
  return {
    ...product,
    a: part(a, axis, from, to),
    b: part(b, axis, from, to),
    y: part(y, axis, from, to),
  };
}

/**
 * The product in two halves, in the order in which they must run. A batch is halved first. A single product is halved
 * so that its largest operand is cut between rows of its memory: each half of it is then one contiguous piece.
 * @param bytes that A, B and Y need in the window
 */
function halves(product: Product, [ofA, ofB, ofY]: readonly number[]): Product[] {
  const { a, b, y, steps } = product;
  const cut = (axis: Cut["axis"], length: number, unit: number): Product[] => {
    const middle = Math.ceil(length / 2 / unit) * unit;
    return [
      partOf(product, { axis, from: 0, to: middle }),
      partOf(product, { axis, from: middle, to: length }),
    ];
  };
  const axis = y.shape.slice(0, -2).findIndex((length) => length > 1);
  if (axis >= 0) return cut(axis, y.shape[axis], 1);
  const [n, k] = a.shape.slice(-2);
  const m = y.shape[y.rank - 1];
  const isRowMajor = (x: NDArray): boolean =>
    Math.abs(x.strides[x.rank - 2]) > Math.abs(x.strides[x.rank - 1]);
  const ways = { n: [n, 8], m: [m, 16], k: [k, steps] } as const;
  const order = [
    ...(ofB >= ofA && ofB >= ofY ? (isRowMajor(b) ? (["k", "m"] as const) : (["m", "k"] as const)) : []),
    ...(ofA >= ofB && ofA >= ofY ? (isRowMajor(a) ? (["n", "k"] as const) : (["k", "n"] as const)) : []),
    ...(n >= m ? (["n", "m", "k"] as const) : (["m", "n", "k"] as const)),
  ];
  const way = order.find((name) => ways[name][0] > ways[name][1]) ?? "n";
  const [length, unit] = ways[way];
  return cut(way, length, unit);
}

/** Row and column strides in bytes. */
const inBytes = (strides: readonly number[]): readonly number[] => strides.slice(-2).map((step) => step * 4);

/**
 * Row and column strides in bytes, as kernels see the view. The stride of an axis of length 1 is never used: it is
 * given as 4, that of contiguous elements, for which the kernels are fastest.
 */
function stridesInBytes(x: NDArray): readonly [number, number] {
  const [row, col] = inBytes(placedStrides(x));
  return [x.shape[x.rank - 2] === 1 ? 4 : row, x.shape[x.rank - 1] === 1 ? 4 : col];
}

/**
 * Computes Yᵀ = Bᵀ Aᵀ instead of Y = A B where that avoids packing the one large operand: for a few rows times a matrix
 * that is stored transposed, and for a matrix that is stored transposed times a few columns.
 */
function oriented({ a, b, y }: Product): {
  readonly left: NDArray;
  readonly right: NDArray;
  readonly isSwapped: boolean;
} {
  const [n, m] = y.shape.slice(-2);
  const isTransposed = (x: NDArray): boolean => {
    const [row, col] = stridesInBytes(x);
    return row === 4 && col !== 4;
  };
  const isSwapped = (n <= 4 && m > 4 && isTransposed(b)) || (m <= 4 && n > 4 && isTransposed(a));
  return isSwapped ? { left: mT(b), right: mT(a), isSwapped } : { left: a, right: b, isSwapped };
}

/** Sizes and strides (in bytes) of a product, and the forms in which the kernels read its operands. */
interface Layout {
  readonly n: number;
  readonly k: number;
  readonly m: number;
  readonly aRow: number;
  readonly aCol: number;
  readonly bRow: number;
  readonly bCol: number;
  /** True when A is read from a copy with contiguous rows; the stride of these rows, and the bytes of one matrix. */
  readonly copiesA: boolean;
  readonly copyRow: number;
  readonly copyBytes: number;
  /** True when B is packed into strips of 16 columns, and the bytes of one packed matrix. */
  readonly packsB: boolean;
  readonly packedBytes: number;
}

interface Arguments extends Layout {
  readonly a: number;
  readonly b: number;
  readonly y: number;
  readonly yRow: number;
  readonly yCol: number;
  readonly steps: number;
  readonly adds: boolean;
}

function layoutOf(a: NDArray, b: NDArray, y: NDArray): Layout {
  const [n, m] = y.shape.slice(-2);
  const k = a.shape[a.rank - 1];
  const [aRow, aCol] = stridesInBytes(a);
  const [bRow, bCol] = stridesInBytes(b);
  const copiesA = aCol !== 4;
  const packsB = n > 4 || bCol !== 4;
  const copyRow = k * 4 + 64; // longer than a row: strides of powers of two map to few sets of the cache
  const copyBytes = copiesA ? n * copyRow : 0;
  const lastWidth = m % 16 === 0 ? 0 : m % 16 > 8 ? 16 : m % 16 > 4 ? 8 : 4;
  const packedBytes = packsB ? (Math.floor(m / 16) * 16 + lastWidth) * k * 4 : 0;
  return { n, k, m, aRow, aCol, bRow, bCol, copiesA, copyRow, copyBytes, packsB, packedBytes };
}

/** The offset of each matrix of the batch from the first one in bytes, in row-major order. */
function offsetsOf(batch: Shape, strides: readonly number[]): Float64Array {
  const offsets = new Float64Array(sizeOf(batch));
  let known = 1; // offsets of the axes so far
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const step = strides[axis] * 4;
    for (let i = known; i < known * batch[axis]; i++) offsets[i] = offsets[i - known] + step;
    known *= batch[axis];
  }
  return offsets;
}

/** A batch of small products: each is one thread's, packing included. */
function several(
  runtime: WasmRuntime,
  operands: Operands,
  p: Arguments,
  products: number,
  offsets: readonly Float64Array[],
): void {
  const tables = offsets.map((bytes) => {
    const address = operands.workspace(products * 4);
    runtime.memory.words.set(bytes, address / 4); // modulo 2³², like the addresses of the kernels
    return address;
  });
  const own = p.copyBytes + p.packedBytes + 64;
  runtime.run(
    kernels.multiplyBatch,
    runtime.chunks(products, (2 * products * p.n * p.k * p.m) / FLOPS_PER_NANOSECOND),
    [
      ...[p.a, p.aRow, p.aCol, p.b, p.bRow, p.bCol, p.y, p.yRow, p.yCol, p.n, p.k, p.m, p.steps, products],
      ...[...tables, operands.workspace(own * runtime.threads), own],
      ...[Number(p.copiesA), p.copyRow, p.copyBytes, Number(p.packsB)],
    ],
  );
}

/** One product, shared by the threads. `packed` and `copy` are the addresses for the packed B and the copy of A. */
function single(runtime: WasmRuntime, p: Arguments, packed: number, copy: number): void {
  const { n, k, m, copiesA, packsB } = p;
  const strips = Math.ceil(m / 16);
  if (packsB || copiesA) {
    const forB = packsB ? runtime.chunks(strips, k * m) : 0;
    const forA = copiesA ? runtime.chunks(Math.ceil(n / 4), n * k) : 0;
    runtime.run(kernels.packOperands, forA + forB, [
      ...[p.a, p.aRow, p.aCol, p.b, p.bRow, p.bCol, n, k, m],
      ...[packed, copy, p.copyRow, forB],
    ]);
  }
  const wanted = runtime.chunks(n * m, (2 * n * k * m) / FLOPS_PER_NANOSECOND);
  // Blocks of at most 64 rows keep their part of A in the second-level cache while the strips of B pass.
  const groups = Math.ceil(n / 8);
  const rowBlocks = Math.min(groups, Math.max(Math.ceil(n / 64), wanted));
  const stripBlocks = Math.min(strips, Math.ceil(wanted / rowBlocks));
  runtime.run(kernels.multiplyTiles, rowBlocks * stripBlocks, [
    ...(copiesA ? [copy, p.copyRow, 4] : [p.a, p.aRow, p.aCol]),
    ...(packsB ? [packed, 0] : [p.b, p.bRow]),
    ...[Number(packsB), p.y, p.yRow, p.yCol, n, k, m, p.steps, Number(p.adds), rowBlocks, stripBlocks],
  ]);
}
