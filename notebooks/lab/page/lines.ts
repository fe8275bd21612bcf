/**
 * @file The lines of the library that the page shows beside its numbers. The build takes them from the sources: `mark`
 * is a part of each marked line, which must be found exactly once; `before` and `after` count the lines around them.
 */
import { toyLines } from "./toys/lines.ts";

export interface Excerpt {
  /** The file, from the root of the checkout. */
  readonly file: string;
  /** Parts of the marked lines. */
  readonly mark: readonly string[];
  readonly before?: number;
  readonly after?: number;
}

export const lines = {
  /** h = W0 x + (α/r) B A x */
  lora: {
    file: "lora/lora.ts",
    mark: ["const z = W0.down(this.dropped(x), this.A);", "return W0.up(z.mul(this.scaling), this.B);"],
    before: 1,
    after: 1,
  },
  /** B = 0 */
  start: { file: "lora/init/index.ts", mark: ["B: zeros(b), residual: null };"], before: 8, after: 1 },
  /** s = α/r, or α/√r */
  scaling: { file: "lora/model/adapter.ts", mark: ["this.scaling = alpha / (rankStabilized ?"], before: 3 },
  /** ΔW = (α/r) B A */
  update: {
    file: "lora/lora.ts",
    mark: ["return matmul(this.B, this.A).mul(this.scaling);"],
    before: 2,
    after: 1,
  },
  /** The loss of the next token */
  loss: {
    file: "nn/models/language-model.ts",
    mark: ["if (head) return linearCrossEntropy(head.states(read, decode), head.layer, next, options);"],
    before: 5,
    after: 3,
  },
  /** The continuation of a prompt */
  write: {
    file: "nn/models/generate.ts",
    mark: ["for (const step of generationSteps(task)) {"],
    before: 1,
    after: 6,
  },
  /** Singular values of ΔW = B A without forming it */
  spectrum: {
    file: "lora/algebra/spectrum.ts",
    mark: ["const inner = spectrumOf(matmul(left.R, mT(right.R)));"],
    before: 3,
    after: 2,
  },
  /** W0 + Σ ΔW */
  merge: {
    file: "lora/model/adapted-layer.ts",
    mark: ['return here.reduce((W, name) => binary("add", W, change(name).value), start.weight().value);'],
    before: 8,
    after: 2,
  },
  /** The original layer stays: unmerging is exact */
  unmerge: {
    file: "lora/model/adapted-layer.ts",
    mark: ["this.base = this.#withMerged(names);"],
    before: 6,
    after: 2,
  },
  /** The values of NF4 */
  nf4: {
    file: "quant/codebooks.ts",
    mark: ["...linspace(NF4_OFFSET, 0.5, 9).slice(0, 8).map(Q),"],
    before: 8,
    after: 6,
  },
  /** One constant for each block */
  blocks: { file: "quant/blockwise.ts", mark: ["absmax[b] = largest;"], before: 2, after: 3 },
  /** The meter */
  meter: { file: "core/meter.ts", mark: ["if (live[category] > watch.peak[category])"], before: 5, after: 4 },
  /** The bytes of a QLoRA run */
  bytes: {
    file: "quant/model/memory.ts",
    mark: [
      "adapters: 4 * run.trained,",
      "gradients: 4 * run.trained,",
      "optimizer: statePerParameter * run.trained,",
    ],
    before: 3,
    after: 3,
  },
  /** W' = m V'/‖V'‖ */
  dora: {
    file: "lora/dora.ts",
    mark: ["return where(empty, 1, this.m.div(where(empty, 1, c)));"],
    before: 4,
    after: 1,
  },
  /** ΔW x = s P Λ Q x */
  adalora: {
    file: "lora/adalora/adalora.ts",
    mark: ["return W0.up(z, this.P);"],
    before: 3,
    after: 1,
  },
  /** b(t) */
  budget: {
    file: "lora/adalora/budget.ts",
    mark: ["return Math.floor((initial - target) * left ** 3 + target);"],
    before: 5,
    after: 1,
  },
  /** The b triplets of highest score stay */
  allocate: {
    file: "lora/adalora/allocator.ts",
    mark: ["for (const { k, i, score } of ranking.slice(0, b))"],
    before: 6,
    after: 3,
  },
  /** η_B = λ η_A */
  plus: { file: "lora/lora-plus.ts", mark: ["B: { lr: lr * ratio, weightDecay },"], before: 3, after: 2 },
  /** A and B from the largest singular triplets of W0 */
  pissa: {
    file: "lora/init/pissa.ts",
    mark: ["return withResidual(W, bestApproximation(W, options), options);"],
    before: 3,
    after: 1,
  },
  /** A and B from a QR decomposition of W0 */
  olora: {
    file: "lora/init/olora.ts",
    mark: ["const { Q, R } = qr(W.data, W0.out, W0.in);"],
    before: 4,
    after: 5,
  },
  /** A and B from what quantization lost */
  loftq: {
    file: "lora/init/loftq.ts",
    mark: ["const pair = bestApproximation(error, options);"],
    before: 6,
    after: 3,
  },
  /** ΔW x = Λ_b B Λ_d A x */
  vera: {
    file: "test/lora/methods/vera.ts",
    mark: ["return W0.up(W0.down(this.dropped(x), A), B);"],
    before: 3,
    after: 1,
  },
  /** A stays as it was drawn */
  frozen: { file: "lora/lora-fa.ts", mark: ["this.A.requiresGrad = false;"], before: 3, after: 3 },
  /** r (d_in + d_out) */
  count: {
    file: "lora/methods.ts",
    mark: ["count: { trained: (r, d_in, d_out) => r * (d_in + d_out) }, //"],
    before: 3,
    after: 2,
  },
  ...toyLines,
} as const satisfies Record<string, Excerpt>;

export type LineKey = keyof typeof lines;
