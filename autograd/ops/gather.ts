/** @file Reading at indices, and its adjoint, adding at indices. */

import type { IndexLike, Shape } from "../../core/index.ts";
import * as nd from "../../core/index.ts";
import { record } from "../record.ts";
import { operand, Tensor } from "../tensor.ts";

/** Rows of a table: Y[i..., :] = table[ids[i...], :]. An embedding lookup. @throws ArgumentError on an id out of range */
export function takeRows(table: Tensor, ids: IndexLike): Tensor {
  const index = nd.indices(ids);
  const value = nd.takeRows(operand("takeRows", table, "table"), index);
  const rows = table.shape[0];
  return record("takeRows", value, [{ input: table, vjp: (dY) => addRows(dY, index, rows) }]);
}

/** Zeros of `rows` rows, with x[i..., :] added to row ids[i...]. The adjoint of takeRows. */
export function addRows(x: Tensor, ids: IndexLike, rows: number): Tensor {
  const index = nd.indices(ids);
  return record("addRows", nd.addRows(operand("addRows", x), index, rows), [
    { input: x, vjp: (dY) => takeRows(dY, index) },
  ]);
}

/** Y[..., i, ...] = x[..., index[..., i, ...], ...] along `axis`. */
export function gather(x: Tensor, index: IndexLike, axis = -1): Tensor {
  const at = nd.indices(index);
  const value = nd.gather(operand("gather", x), at, axis);
  const { shape } = x;
  return record("gather", value, [{ input: x, vjp: (dY) => scatterAdd(dY, at, axis, shape) }]);
}

/** Zeros of `shape` with y added where gather would read: the adjoint of gather. */
export function scatterAdd(y: Tensor, index: IndexLike, axis: number, shape: Shape): Tensor {
  const at = nd.indices(index);
  return record("scatterAdd", nd.scatterAdd(operand("scatterAdd", y, "y"), at, axis, shape), [
    { input: y, vjp: (dX) => gather(dX, at, axis) },
  ]);
}

/** 1 at each label, 0 elsewhere: labels [...], result [..., classes]. Has no gradient. */
export function oneHot(labels: IndexLike, classes: number): Tensor {
  const index = nd.indices(labels);
  if (!Number.isSafeInteger(classes) || classes < 0)
    throw new nd.ArgumentError("oneHot", "classes an integer from 0", { classes });
  nd.checkIndices("oneHot", index, classes);
  const result = nd.zeros([...index.shape, classes]);
  const data = result.storage.data;
  for (let i = 0; i < index.data.length; i++) data[i * classes + index.data[i]] = 1;
  return new Tensor(result);
}
