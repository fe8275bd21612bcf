/**
 * @file The gpu.js kernels, as source text: gpu.js translates a function's text into shaders, so a text that no
 * bundler, minifier or loader has rewritten is the safest form. gpu.js calls one once per output element.
 *
 * Both products compute the same sum (see plan.ts for the axes and strides),
 *
 *     Y[o, i, row, column] = Σₗ A[aOffset + o aOuter + i aMiddle + row aRow + l aInner]
 *                               B[bOffset + o bOuter + i bMiddle + row bRow + column bColumn + l bInner]
 *
 * with z = o middle + i in `this.thread.z`. They differ in how they reach an element: gpu.js keeps every local
 * variable as a 32-bit float, exact for integers up to 2²⁴ only, while arguments, `this.thread` and loop counters
 * are integers (the counter not in webasm mode, hence `steps`). So `product` has its positions in variables and is for arrays below that bound; `productWide`
 * works them out in place, in integers only, and is for larger ones.
 */

/** Integers up to this one are exact in a 32-bit float. */
export const EXACT = 2 ** 24;

export type KernelName = "copy" | "product" | "productWide";

/** Arguments of both products after the arrays, all of them integers. */
export const productArguments = [
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

/** Adding ½ keeps the quotient away from the integers, where an inexact division could fall on the wrong side. */
const quotient = "Math.floor((this.thread.z + 0.5) / middle)";

export const kernelSources: Record<KernelName, string> = {
  copy: "function copy(source) { return source[this.thread.x]; }",

  product: `function product(a, b, ${productArguments.join(", ")}) {
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

  productWide: `function productWide(a, b, ${productArguments.join(", ")}) {
    let sum = 0;
    for (let l = 0; l < inner; l++) {
      sum +=
        a[start(this.thread.z, middle, aOffset, aOuter, aMiddle) + this.thread.y * aRow + steps(l, aInner)] *
        b[start(this.thread.z, middle, bOffset, bOuter, bMiddle) + this.thread.y * bRow +
          this.thread.x * bColumn + steps(l, bInner)];
    }
    return sum;
  }`,
};

const integers = (...names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, "Integer"]));

/** Functions that the kernels call. Their results are declared integers, which a local variable cannot be. */
export const kernelFunctions = [
  {
    name: "divide",
    source: "function divide(z, middle) { return Math.floor((z + 0.5) / middle); }",
    settings: { argumentTypes: integers("z", "middle"), returnType: "Integer" },
  },
  {
    name: "start",
    source: `function start(z, middle, offset, outerStride, middleStride) {
      return offset + divide(z, middle) * outerStride + (z - divide(z, middle) * middle) * middleStride;
    }`,
    settings: {
      argumentTypes: integers("z", "middle", "offset", "outerStride", "middleStride"),
      returnType: "Integer",
    },
  },
  {
    name: "steps",
    source: "function steps(l, stride) { return l * stride; }",
    settings: { argumentTypes: integers("l", "stride"), returnType: "Integer" },
  },
];

/** Argument types for gpu.js. `arrays` is what gpu.js calls an array resident in its mode. */
export function argumentTypes(name: KernelName, arrays: string): Record<string, string> {
  if (name === "copy") return { source: "Input" };
  return { a: arrays, b: arrays, ...integers(...productArguments) };
}
