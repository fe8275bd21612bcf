/** @file Reading and adding at indices: rows of a table, elements along an axis, and their adjoints. */

import { ShapeError } from "../errors.ts";
import { allocateDoubles } from "./allocate.ts";
import { checkIndices, type Indices } from "./indices.ts";
import { contiguous, empty, type NDArray, zeros } from "./ndarray.ts";
import { checkShape, normalizeAxis, type Shape, sameShape, sizeOf } from "./shape.ts";

/** Y[i..., :] = table[ids[i...], :]. table [rows, ...d], Y [...ids, ...d]. */
export function takeRows(table: NDArray, ids: Indices): NDArray {
  if (table.rank === 0) throw new ShapeError("takeRows", "table [rows, ...]", { table: table.shape });
  checkIndices("takeRows", ids, table.shape[0]);
  const d = sizeOf(table.shape.slice(1));
  const result = empty([...ids.shape, ...table.shape.slice(1)]);
  const T = table.data;
  const Y = result.storage.data;
  for (let i = 0; i < ids.data.length; i++) {
    const from = ids.data[i] * d;
    for (let j = 0; j < d; j++) Y[i * d + j] = T[from + j];
  }
  return result;
}

/** Zeros of `rows` rows with x[i..., :] added to row ids[i...]: the adjoint of `takeRows`. */
export function addRows(x: NDArray, ids: Indices, rows: number): NDArray {
  const d = x.shape.slice(ids.shape.length);
  if (!Number.isSafeInteger(rows) || rows < 0)
    throw new ShapeError("addRows", "rows an integer from 0", { rows });
  checkIndices("addRows", ids, rows);
  if (!sameShape(x.shape.slice(0, ids.shape.length), ids.shape)) {
    throw new ShapeError("addRows", "x [...ids, ...d]", { x: x.shape, ids: ids.shape });
  }
  const n = sizeOf(d);
  const result = zeros([rows, ...d]);
  const X = x.data;
  const Y = result.storage.data;
  const sums = new Map(often(ids).map((row) => [row, new Float64Array(n)]));
  for (let i = 0; i < ids.data.length; i++) {
    const row = ids.data[i];
    const sum = sums.get(row);
    const to = sum ? 0 : row * n;
    const target = sum ?? Y;
    for (let j = 0; j < n; j++) target[to + j] += X[i * n + j];
  }
  for (const [row, sum] of sums) Y.set(sum, row * n);
  return result;
}

/** Sums of more numbers than this are formed in double precision: in float32 the error would grow with the count. */
const MANY = 1024;

/** The ids that occur more often than `MANY` times. */
function often({ data }: Indices): number[] {
  if (data.length <= MANY) return [];
  const counts = new Map<number, number>();
  for (const id of data) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > MANY).map(([id]) => id);
}

/** Y[..., i, ...] = x[..., index[..., i, ...], ...] along `axis`; off the axis the shapes agree (PyTorch's gather). */
export function gather(x: NDArray, index: Indices, axis: number): NDArray {
  const along = checkGather("gather", x.shape, index, axis);
  const result = empty(index.shape);
  const X = contiguous(x).data;
  const Y = result.storage.data;
  eachGathered(x.shape, index, along, (i, at) => {
    Y[i] = X[at];
  });
  return result;
}

/** Zeros of `shape` with y added where `gather` read: its adjoint. */
export function scatterAdd(y: NDArray, index: Indices, axis: number, shape: Shape): NDArray {
  checkShape("scatterAdd", shape);
  const along = checkGather("scatterAdd", shape, index, axis);
  if (!sameShape(y.shape, index.shape)) {
    throw new ShapeError("scatterAdd", "y of the shape of index", { y: y.shape, index: index.shape });
  }
  const result = zeros(shape);
  const Y = y.data;
  const X = result.storage.data;
  const sums = index.shape[along] > MANY ? allocateDoubles(X.length) : X;
  eachGathered(shape, index, along, (i, at) => {
    sums[at] += Y[i];
  });
  if (sums !== X) X.set(sums);
  return result;
}

function checkGather(who: string, shape: Shape, index: Indices, axis: number): number {
  const along = normalizeAxis(who, axis, shape.length);
  if (index.shape.length !== shape.length || shape.some((n, i) => i !== along && n !== index.shape[i])) {
    throw new ShapeError(who, `index that agrees with x off axis ${along}`, { x: shape, index: index.shape });
  }
  checkIndices(who, index, shape[along]);
  return along;
}

function eachGathered(
  shape: Shape,
  index: Indices,
  axis: number,
  visit: (i: number, at: number) => void,
): void {
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const n = index.shape[axis];
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < inner; k++) {
        const i = (o * n + j) * inner + k;
        visit(i, (o * shape[axis] + index.data[i]) * inner + k);
      }
    }
  }
}
