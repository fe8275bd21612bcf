/** @file Einstein summation for one or two operands, as permutations around one batched matmul. */

import { ArgumentError, ShapeError, sizeOf } from "../../core/index.ts";
import { operand, type Tensor } from "../tensor.ts";
import { matmul } from "./matmul.ts";
import { permute, reshape } from "./movement.ts";
import { sum } from "./reduce.ts";

/**
 * `einsum("bhqd,bhkd->bhqk", q, k)`: axes named by letters; a letter missing from the result is summed over.
 * One or two operands, each letter at most once per operand.
 * @throws ArgumentError on an equation that is malformed or does not fit, ShapeError when a letter has two lengths
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  if (typeof equation !== "string") throw new ArgumentError("einsum", "an equation, a string", { equation });
  for (const x of operands) operand("einsum", x, "each operand");
  const parsed = /^([a-zA-Z]*)(?:,([a-zA-Z]*))?->([a-zA-Z]*)$/.exec(equation.replaceAll(" ", ""));
  const inputs = parsed ? parsed.slice(1, 1 + operands.length) : [];
  const fits = parsed && operands.length === (parsed[2] === undefined ? 1 : 2);
  if (!fits || [...inputs, parsed[3]].some((letters) => new Set(letters).size !== letters.length)) {
    throw new ArgumentError(
      "einsum",
      'an equation like "ij,jk->ik" for one or two operands, no letter twice in one',
      {
        equation,
        operands: operands.length,
      },
    );
  }
  const output = parsed[3];
  const lengths = lengthsOf(equation, inputs, operands);
  for (const letter of output) {
    if (!lengths.has(letter)) throw new ArgumentError("einsum", `"${letter}" in an operand`, { equation });
  }
  if (operands.length === 1) return arrange(...sumOut(operands[0], inputs[0], output), output);

  const [a, la] = sumOut(operands[0], inputs[0], inputs[1] + output);
  const [b, lb] = sumOut(operands[1], inputs[1], inputs[0] + output);
  const batch = [...la].filter((c) => lb.includes(c) && output.includes(c)).join("");
  const inner = [...la].filter((c) => lb.includes(c) && !output.includes(c)).join("");
  const rows = [...la].filter((c) => !lb.includes(c)).join("");
  const columns = [...lb].filter((c) => !la.includes(c)).join("");
  const size = (letters: string): number => sizeOf([...letters].map((c) => lengths.get(c) as number));
  const shape = (letters: string): number[] => [...letters].map((c) => lengths.get(c) as number);

  const A = reshape(arrange(a, la, batch + rows + inner), [...shape(batch), size(rows), size(inner)]);
  const B = reshape(arrange(b, lb, batch + inner + columns), [...shape(batch), size(inner), size(columns)]);
  const Y = reshape(matmul(A, B), shape(batch + rows + columns));
  return arrange(Y, batch + rows + columns, output);
}

function lengthsOf(
  equation: string,
  inputs: readonly string[],
  operands: readonly Tensor[],
): Map<string, number> {
  const lengths = new Map<string, number>();
  operands.forEach(({ shape }, i) => {
    if (inputs[i].length !== shape.length) {
      throw new ShapeError("einsum", `an operand of ${inputs[i].length} axes for "${inputs[i]}"`, {
        equation,
        shape,
      });
    }
    shape.forEach((length, axis) => {
      const letter = inputs[i][axis];
      if ((lengths.get(letter) ?? length) !== length) {
        throw new ShapeError("einsum", `one length for "${letter}"`, {
          equation,
          first: lengths.get(letter),
          second: length,
        });
      }
      lengths.set(letter, length);
    });
  });
  return lengths;
}

/** Sums over the axes whose letters are not in `needed`. */
function sumOut(x: Tensor, letters: string, needed: string): [Tensor, string] {
  const gone = [...letters].flatMap((c, axis) => (needed.includes(c) ? [] : [axis]));
  const left = [...letters].filter((c) => needed.includes(c)).join("");
  return [gone.length > 0 ? sum(x, gone) : x, left];
}

function arrange(x: Tensor, from: string, to: string): Tensor {
  return from === to
    ? x
    : permute(
        x,
        [...to].map((c) => from.indexOf(c)),
      );
}
