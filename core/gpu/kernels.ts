/**
 * @file The gpu.js kernels, as source text: gpu.js translates a function's text into shaders, so a text that no
 * bundler, minifier or loader has rewritten is the safest form. gpu.js calls one once per output element.
 *
 * `product` and `productWide` compute the same sum (see plan.ts for the axes and strides),
 *
 *     Y[o, i, row, column] = Σₗ A[aOffset + o aOuter + i aMiddle + row aRow + l aInner]
 *                               B[bOffset + o bOuter + i bMiddle + row bRow + column bColumn + l bInner]
 *
 * with z = o middle + i in `this.thread.z`. They differ in how they reach an element: gpu.js keeps every local
 * variable as a 32-bit float, exact for integers up to 2²⁴ only, while arguments, `this.thread` and loop counters
 * are integers (the counter not in webasm mode, hence `steps`). So `product` has its positions in variables and is for arrays below that bound; `productWide`
 * works them out in place, in integers only, and is for larger ones.
 *
 * `dequantizeProduct` is Y = A W and `dequantizeProductTransposed` Y = A Wᵀ, with W in 4-bit codes that are dequantized as they are
 * read; packed-matrix.ts says how W lies in B.
 */

/** Integers up to this one are exact in a 32-bit float. */
export const EXACT = 2 ** 24;

/** 4-bit codes in one float32 of a packed matrix: 24 bits, an integer that it holds exactly. */
export const CODES_PER_WORD = 6;

/** Arguments of `product` and `productWide` after the arrays. */
const stridedArguments = [
  "middle",
  "inner",
  "aOffset",
  "aOuter",
  "aMiddle",
  "aRow",
  "aInner",
  "bOffset",
  "bOuter",
  "bMiddle",
  "bRow",
  "bColumn",
  "bInner",
] as const;

/** Arguments of `dequantizeProduct` and `dequantizeProductTransposed` after the arrays. */
const dequantizeArguments = [
  "inner",
  "aOffset",
  "aRow",
  "aInner",
  "blockSize",
  "perBlock",
  "ragged",
  "powersAt",
  "scalesAt",
  "rowScales",
  "wordsAt",
  "rowWords",
] as const;

/** The kernels of products, and their arguments after the two arrays: integers, but for `perBlock`. */
export const productArguments = {
  product: stridedArguments,
  productWide: stridedArguments,
  dequantizeProduct: dequantizeArguments,
  dequantizeProductTransposed: dequantizeArguments,
} as const;

export type ProductName = keyof typeof productArguments;
export type KernelName = "copy" | ProductName;

/** Numbers for a product's arguments. */
export type ArgumentsOf<Name extends ProductName> = Readonly<
  Record<(typeof productArguments)[Name][number], number>
>;

/** Adding ½ keeps the quotient away from the integers, where an inexact division could fall on the wrong side. */
const quotient = "Math.floor((this.thread.z + 0.5) / middle)";

const head = (name: ProductName): string => `function ${name}(a, b, ${productArguments[name].join(", ")})`;

export const kernelSources: Record<KernelName, string> = {
  copy: "function copy(source) { return source[this.thread.x]; }",

  product: `${head("product")} {
    const o = ${quotient};
    const i = this.thread.z - o * middle;
    let p = aOffset + o * aOuter + i * aMiddle + this.thread.y * aRow;
    let q = bOffset + o * bOuter + i * bMiddle + this.thread.y * bRow + this.thread.x * bColumn;
    let sum = 0;
    for (let l = 0; l < inner; l++) {
      sum += a[p] * b[q];
      p += aInner;
      q += bInner;
    }
    return sum;
  }`,

  productWide: `${head("productWide")} {
    let sum = 0;
    for (let l = 0; l < inner; l++) {
      sum +=
        a[start(this.thread.z, middle, aOffset, aOuter, aMiddle) + this.thread.y * aRow + steps(l, aInner)] *
        b[start(this.thread.z, middle, bOffset, bOuter, bMiddle) + this.thread.y * bRow +
          this.thread.x * bColumn + steps(l, bInner)];
    }
    return sum;
  }`,

  // Powers of two multiply and never divide: every GPU rounds products correctly, not so quotients. `past` is how many
  // elements of the block in which a row begins belong to rows before it.

  dequantizeProduct: `${head("dequantizeProduct")} {
    const n = Math.floor((this.thread.x + 0.5) / ${CODES_PER_WORD});
    const power = b[powersAt + this.thread.x - ${CODES_PER_WORD} * n];
    let past = 0;
    let sum = 0;
    for (let l = 0; l < inner; l++) {
      const shifted = Math.floor(b[at(wordsAt, l, rowWords, n, 1)] * power);
      const code = shifted - 16 * Math.floor(shifted * 0.0625);
      const scale = b[at(scalesAt, l, rowScales, Math.floor((past + this.thread.x) * perBlock), 1)];
      sum += a[at(aOffset, this.thread.y + this.thread.z, aRow, l, aInner)] * (b[code] * scale);
      past += ragged;
      if (past >= blockSize) past -= blockSize;
    }
    return sum;
  }`,

  dequantizeProductTransposed: `${head("dequantizeProductTransposed")} {
    const past = rest(rest(this.thread.x, blockSize, perBlock) * ragged, blockSize, perBlock);
    let sum = 0;
    for (let n = 0; n < rowWords; n++) {
      let word = b[at(wordsAt, this.thread.x, rowWords, n, 1)];
      for (let d = 0; d < ${CODES_PER_WORD}; d++) {
        const l = ${CODES_PER_WORD} * n + d;
        if (l < inner) {
          const shifted = Math.floor(word * 0.0625);
          const code = word - 16 * shifted;
          const scale = b[at(scalesAt, this.thread.x, rowScales, Math.floor((past + l) * perBlock), 1)];
          sum += a[at(aOffset, this.thread.y + this.thread.z, aRow, l, aInner)] * (b[code] * scale);
          word = shifted;
        }
      }
    }
    return sum;
  }`,
};

/** A function for gpu.js that kernels call. */
interface Helper {
  readonly name: string;
  readonly source: string;
  readonly settings: { readonly argumentTypes: Record<string, string>; readonly returnType: string };
}

const types = (type: string, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, type]));

function helper(
  type: "Integer" | "Float",
  name: string,
  parameters: readonly string[],
  body: string,
): Helper {
  return {
    name,
    source: `function ${name}(${parameters.join(", ")}) { return ${body}; }`,
    settings: { argumentTypes: types(type, parameters), returnType: type },
  };
}

const at = helper("Integer", "at", ["offset", "i", "iStep", "j", "jStep"], "offset + i * iStep + j * jStep");

/** The functions that kernels call. Results can be declared integers, which a local variable cannot be. */
export const helpersOf: Readonly<Record<KernelName, readonly Helper[]>> = {
  copy: [],
  product: [],
  productWide: [
    helper("Integer", "divide", ["z", "middle"], "Math.floor((z + 0.5) / middle)"),
    helper(
      "Integer",
      "start",
      ["z", "middle", "offset", "outerStride", "middleStride"],
      "offset + divide(z, middle) * outerStride + (z - divide(z, middle) * middle) * middleStride",
    ),
    helper("Integer", "steps", ["l", "stride"], "l * stride"),
  ],
  dequantizeProduct: [at],
  dequantizeProductTransposed: [
    at,
    helper("Float", "rest", ["i", "n", "perN"], "i - n * Math.floor(i * perN)"), // of i / n, perN = 1 / n
  ],
};

/** Argument types for gpu.js. `arrays` is what gpu.js calls an array resident in its mode. */
export function argumentTypes(name: KernelName, arrays: string): Record<string, string> {
  if (name === "copy") return { source: "Input" };
  const scalars = types("Integer", productArguments[name]);
  return { a: arrays, b: arrays, ...scalars, ...("perBlock" in scalars && { perBlock: "Float" }) };
}
