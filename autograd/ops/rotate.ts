/** @file Rotation of pairs of coordinates: its adjoint is the rotation back. */

import * as nd from "../../core/index.ts";
import { record } from "../record.ts";
import { operand, type Tensor } from "../tensor.ts";

/**
 * Coordinates i and i + d/2 of x[..., t, :] turned by the angle with cosine cos[t, i] and sine sin[t, i].
 * x [batch, ..., time, d]; cos and sin [time, d/2] or [batch, time, d/2], constants.
 */
export function rotate(x: Tensor, cos: Tensor, sin: Tensor, backwards = false): Tensor {
  return record(
    "rotate",
    nd.rotate(operand("rotate", x), operand("rotate", cos, "cos"), operand("rotate", sin, "sin"), backwards),
    [{ input: x, saves: [cos, sin], vjp: (dY, C, S) => rotate(dY, C, S, !backwards) }],
  );
}
