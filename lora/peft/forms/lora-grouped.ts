/**
 * @file LoRA in PEFT's form where layers are convolutions with groups. There ΔW is of another family than W0 is:
 *
 *     h = W0 *_g x + s B *_g (A * x)       A [r, in · k], over all channels       B [out, r/g], in groups       s = α/r
 *
 * The groups share what A finds, so every output can depend on every input, which no kernel of g groups says: the adapter
 * acts beside its base, as in PEFT, which merges none of them. It merges exactly where A has a block for each group, and
 * is 0 elsewhere: ΔW of group i is then s B_i A_ii. On all other layers this is LoRA.
 */

import { concat, matmul, mul, type Parameter, slice, type Tensor } from "../../../autograd/index.ts";
import { AdapterError, array, type NDArray, zeros } from "../../../core/index.ts";
import { kaimingUniform } from "../../../nn/index.ts";
import { methods } from "../../methods.ts";
import type { AdaptedLayer } from "../../model/adapted-layer.ts";
import { Adapter, type AdapterOptions, adapterParameter } from "../../model/adapter.ts";
import { defineMethod, type PeftForm } from "../../model/method.ts";
import type { LayerInput, WeightView } from "../../model/weight-view.ts";

/** LoRA on one layer, whose groups share A where it is a convolution with groups: h = W0 *_g x + s B *_g (A * x). */
export class GroupedLoRA extends Adapter {
  static override readonly options: readonly string[] = methods.lora.adapter.options;
  readonly method = "lora-grouped";
  A: Parameter; // [r, in · k], in: the channels of all groups
  B: Parameter; // [out, r/g]

  /** @throws AdapterError unless the groups divide r, and on an `init` that takes a part of W over */
  constructor(W0: WeightView, options: AdapterOptions) {
    super(options);
    const { rank, init = "kaiming", rng } = options;
    const { groups } = W0.convolution ?? { groups: 1 };
    if (groups === 1) {
      const { A, B, residual } = new methods.lora.adapter(W0, options);
      this.A = A;
      this.B = B;
      this.residual = residual;
      return;
    }
    if (rank % groups !== 0)
      throw new AdapterError(
        `rank: expected a multiple of the ${groups} groups of the convolution; got ${rank}`,
      );
    if (init !== "kaiming")
      throw new AdapterError(`init: expected "kaiming" on a convolution with groups; got ${init}`);
    this.A = adapterParameter(kaimingUniform(rng, [rank, groups * W0.in], groups * W0.in));
    this.B = adapterParameter(zeros([W0.out, rank / groups]));
  }

  /** ΔW x = s B (A x)   [batch, out, ...] */
  override delta(W0: WeightView, x: LayerInput): Tensor {
    return W0.up(W0.down(this.dropped(x), this.A).mul(this.scaling), this.B);
  }

  /**
   * ΔW = s B A   [out, in/g · k]; of group i s B_i A_ii.
   * @throws AdapterError when A is not 0 outside of its blocks
   */
  override deltaWeight(W0: WeightView): Tensor {
    const { groups } = W0.convolution ?? { groups: 1 };
    const { A, B, rank } = this;
    const r = rank / groups;
    const isInBlock = (i: number): boolean =>
      Math.floor(i / A.shape[1] / r) === Math.floor((i % A.shape[1]) / W0.in);
    if (A.value.data.some((value: number, i: number) => value !== 0 && !isInBlock(i)))
      throw new AdapterError(
        `lora: the groups of a convolution share the adapter's A [${A.shape.join(", ")}], which no kernel with ${groups} ` +
          "groups can hold; expected layers without groups, to merge, combine or compare it; beside its base it acts in full",
      );
    const [out, n] = [W0.out / groups, W0.in];
    const blocks = Array.from({ length: groups }, (_, i) =>
      matmul(
        slice(B, 0, i * out, (i + 1) * out),
        slice(slice(A, 0, i * r, (i + 1) * r), 1, i * n, (i + 1) * n),
      ),
    );
    return mul(concat(blocks, 0), this.scaling);
  }
}

const { peft } = methods.lora;
const { tensors } = peft as PeftForm;

/** The method of adapters in PEFT's form on convolutions with groups. */
export const loraGrouped = defineMethod({
  name: "lora-grouped",
  adapter: GroupedLoRA,
  peft: {
    ...(peft as PeftForm),
    onGroups: true,
    tensors: {
      ...tensors,
      B: {
        ...tensors.B,
        shape: (sizes) => tensors.B.shape({ ...sizes, rank: sizes.rank / (sizes.groups ?? 1) }),
      },
    },
  },
});

/**
 * The parts of LoRA in PEFT's form, where layers have groups: the same ΔW, as A with a block for each group.
 *
 *     A [r, in/g · k], shared by the groups   →   diag(A, …, A) [g r, in · k]       B [out, r] as it is
 *
 * @throws AdapterError where a layer has a residual weight
 */
export function groupedParts(
  name: string,
  parts: ReadonlyMap<string, Adapter>,
  layers: ReadonlyMap<string, AdaptedLayer>,
  rankStabilized: boolean,
): Map<string, Adapter> {
  const grouped = Array.from(parts, ([path, part]): [string, Adapter] => {
    const layer = layers.get(path) as AdaptedLayer;
    const groups = layer.W0.convolution?.groups ?? 1;
    if (layer.residuals.has(name))
      throw new AdapterError(
        `saveAdapter: ${path} has a residual weight, beside convolutions with groups; convert ${name} to LoRA first`,
      );
    const { A, B, rank, alpha } = part as GroupedLoRA;
    const R = groups * rank;
    const newAlpha = alpha * (rankStabilized ? Math.sqrt(groups) : groups);
    const scaled = { alpha: newAlpha, scaling: newAlpha / (rankStabilized ? Math.sqrt(R) : R) };
    const given = groups === 1 ? {} : { rank: R, ...scaled }; // the same s, but for rounding in double precision
    const blocks = groups === 1 ? A : adapterParameter(blockDiagonal(A.value, groups));
    return [
      path,
      Object.assign(Object.create(GroupedLoRA.prototype), part, given, {
        A: blocks,
        B,
        method: "lora-grouped",
      }),
    ];
  });
  return new Map(grouped);
}

/** M [r, n] `times` times along the diagonal [times r, times n]. */
function blockDiagonal(M: NDArray, times: number): NDArray {
  const [r, n] = M.shape;
  const data = new Float32Array(times * r * times * n);
  for (let g = 0; g < times; g++)
    for (let i = 0; i < r; i++) data.set(M.data.subarray(i * n, (i + 1) * n), ((g * r + i) * times + g) * n);
  return array(data, [times * r, times * n]);
}
