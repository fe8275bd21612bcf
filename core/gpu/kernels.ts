/**
 * @file The gpu.js kernels, as source text: gpu.js translates a function's text into shaders, and a string is a text
 * that no bundler, minifier or loader rewrites. gpu.js calls a kernel once for each element of the output.
 *
 * `product` and `productWide` compute the same sum (see plan.ts for the axes and strides),
 *
 *     Y[o, i, row, column] = Σₗ A[aOffset + o aOuter + i aMiddle + row aRow + l aInner]
 *                               B[bOffset + o bOuter + i bMiddle + row bRow + column bColumn + l bInner]
 *
 * with z = o middle + i in `this.thread.z`. They differ in how they address an element. gpu.js keeps every local
 * variable as a 32-bit float, exact for integers up to 2²⁴ only, while arguments, `this.thread` and loop counters are
 * integers (the counter is not in webasm mode, hence `steps`). So `product` keeps positions in variables and is for
 * arrays below that bound; `productWide` computes positions where they are used, in integers only, and is for larger
 * arrays.
 *
 * `dequantizeProduct` is Y = A W and `dequantizeProductTransposed` Y = A Wᵀ, where W is in 4-bit codes, which the
 * kernels dequantize as they read them. packed-matrix.ts describes how W lies in B.
 */

/** Integers up to this one are exact in a 32-bit float. */
export const EXACT = 2 ** 24;

/** 4-bit codes in one float32 of a packed matrix: 24 bits, an integer that a float32 holds exactly. */
export const CODES_PER_WORD = 6;

/** The arguments of `product` and `productWide` after the two arrays. */
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

/** The arguments of `dequantizeProduct` and `dequantizeProductTransposed` after the two arrays. */
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

/** The kernels of products, with their arguments after the two arrays. All are integers except `perBlock`. */
export const productArguments = {
  product: stridedArguments,
  productWide: stridedArguments,
  dequantizeProduct: dequantizeArguments,
  dequantizeProductTransposed: dequantizeArguments,
} as const;

export type ProductName = keyof typeof productArguments;
export type KernelName = "copy" | ProductName;

/** The values of a product's arguments. */
export type ArgumentsOf<Name extends ProductName> = Readonly<
  Record<(typeof productArguments)[Name][number], number>
>;

/** ⌊z / middle⌋. Adding ½ keeps the quotient away from the integers, where an inexact division could round past one. */
const quotient = "Math.floor((this.thread.z + 0.5) / middle)";

/** The head of a product's source: its name and parameters. */
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

  // Powers of two are multiplied with and never divided by: every GPU rounds products correctly, but not quotients.
  // `past` is the number of elements of the block in which a row begins that belong to the rows before it.

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

/** A function that kernels call, as gpu.js takes it. */
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

/** The functions that each kernel calls. Their results can be declared integers, which a local variable cannot be. */
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
    helper("Float", "rest", ["i", "n", "perN"], "i - n * Math.floor(i * perN)"), // i mod n, with perN = 1 / n
  ],
};

/** The types of a kernel's arguments. `arrays` is gpu.js's name for the type of a resident array in its mode. */
export function argumentTypes(name: KernelName, arrays: string): Record<string, string> {
  if (name === "copy") return { source: "Input" };
  const scalars = types("Integer", productArguments[name]);
  return { a: arrays, b: arrays, ...scalars, ...("perBlock" in scalars && { perBlock: "Float" }) };
}
