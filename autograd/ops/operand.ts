/** @file Operands of arithmetic: a tensor, or a number, which is a constant. */

import { array, type BinaryName, binary, type NDArray } from "../../core/index.ts";
import { operand, Tensor } from "../tensor.ts";

/** A number is a constant scalar, which needs no gradient. */
export type Operand = Tensor | number;

/** x as a tensor. */
export const constant = (x: Operand): Tensor => (typeof x === "number" ? new Tensor(array(x, [])) : x);

/** The array of an operand. @throws ArgumentError when it is neither tensor nor number */
export const arrayOf = (who: string, x: Operand, name: string): NDArray =>
  typeof x === "number" ? array(x, []) : operand(who, x, name);

/** An elementwise function of two operands, without history. @param who the op, for messages */
export const applied = (name: BinaryName, a: Operand, b: Operand, who: string = name): NDArray =>
  binary(name, arrayOf(who, a, "a"), arrayOf(who, b, "b"));
