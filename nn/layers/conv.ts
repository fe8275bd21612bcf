/**
 * @file Convolutions, in PyTorch's layout (its "convolution" is the cross-correlation), as matrix products: the windows
 * of the image become columns (im2col; Chellapilla et al., 2006), and the kernel is a matrix.
 *
 *     y[n, o, i, j] = b[o] + Σ_{c, k, l} W[o, c, k, l] x[n, c, i s + k d − p, j s + l d − p]
 *
 * Conv1d is PyTorch's convolution over a sequence. It has nothing to do with Conv1D, GPT-2's name for a linear layer
 * with a transposed weight, which is in linear.ts.
 */

import {
  add,
  matmul,
  type Parameter,
  parameter,
  reshape,
  type Tensor,
  unfold,
} from "../../autograd/index.ts";
import {
  ArgumentError,
  type NDArray,
  type Pair,
  type Random,
  ShapeError,
  sizeOf,
  windowCounts,
} from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import { defaultRandom, kaimingUniform } from "./init.ts";
import { checkSizes, parameterLike } from "./linear.ts";

/** The options of convolutions. */
export interface ConvolutionOptions<Extent> {
  /** s. @default 1 */
  readonly stride?: Extent;
  /** p: zeros on each side. @default 0 */
  readonly padding?: Extent;
  /** d: step between the elements that a kernel reads. @default 1 */
  readonly dilation?: Extent;
  /** Number of groups that the channels are divided into; groups do not mix. @default 1 */
  readonly groups?: number;
}

const pair = (extent: number | Pair): Pair => (typeof extent === "number" ? [extent, extent] : extent);

/**
 * x [batch, in, H, W], weight [out, in/groups, h, w], bias [out] → [batch, out, H', W'].
 * @throws ShapeError when channels and groups do not fit, or the kernel is larger than the padded image
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  { stride = 1, padding = 0, dilation = 1, groups = 1 }: ConvolutionOptions<number | Pair> = {},
): Tensor {
  const [batch, channels, height, width] = x.shape;
  const [out, inPerGroup, ...kernel] = weight.shape;
  if (x.shape.length !== 4 || kernel.length !== 2 || channels !== inPerGroup * groups || out % groups !== 0) {
    throw new ShapeError(
      "conv",
      "x [batch, in, …] and weight [out, in/groups, …], groups dividing in and out",
      {
        x: x.shape,
        weight: weight.shape,
        groups,
      },
    );
  }
  const windows = {
    kernel: [kernel[0], kernel[1]] as const,
    stride: pair(stride),
    padding: pair(padding),
    dilation: pair(dilation),
  };
  const [rows, columns] = windowCounts([height, width], windows);
  const perGroup = inPerGroup * sizeOf(kernel);
  const X = reshape(unfold(x, windows), [batch, groups, perGroup, rows * columns]);
  const W = reshape(weight, [groups, out / groups, perGroup]);
  const y = reshape(matmul(W, X), [batch, out, rows, columns]); //   from [batch, groups, out/groups, windows]
  return bias ? add(y, reshape(bias, [out, 1, 1])) : y;
}

/** x [batch, in, L], weight [out, in/groups, k], bias [out] → [batch, out, L']. See `conv2d`. */
export function conv1d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  { stride = 1, padding = 0, dilation = 1, groups }: ConvolutionOptions<number> = {},
): Tensor {
  if (x.shape.length !== 3 || weight.shape.length !== 3) {
    throw new ShapeError("conv", "x [batch, in, L] and weight [out, in/groups, k]", {
      x: x.shape,
      weight: weight.shape,
    });
  }
  const asImage = ({ shape: [a, b, length] }: Tensor): number[] => [a, b, 1, length];
  const y = conv2d(reshape(x, asImage(x)), reshape(weight, asImage(weight)), bias, {
    stride: [1, stride],
    padding: [0, padding],
    dilation: [1, dilation],
    groups,
  });
  const [batch, out, , length] = y.shape;
  return reshape(y, [batch, out, length]);
}

const known = ["stride", "padding", "dilation", "groups", "bias", "rng"];

interface LayerOptions {
  /** Whether the layer has a bias. @default true */
  readonly bias?: boolean;
  /** Generator of the initial weights. @default that of `manualSeed` */
  readonly rng?: Random;
}

/**
 * A convolution over a sequence: x [batch, in, L] → [batch, out, L']. W [out, in/groups, k] and b start as Linear's. Not
 * to be confused with Conv1D, GPT-2's linear layer.
 */
export class Conv1d extends Module {
  readonly options: ConvolutionOptions<number>;
  weight: Parameter;
  bias: Parameter | null;

  /** @throws ArgumentError unless sizes are positive integers and groups divides both numbers of channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: number,
    given: LayerOptions & ConvolutionOptions<number> = {},
  ) {
    super();
    checkLayer("Conv1d", given, known);
    const { bias, rng, ...options } = given;
    checkSizes("Conv1d", { inChannels, outChannels, kernel });
    this.options = options;
    [this.weight, this.bias] = initial("Conv1d", inChannels, outChannels, [kernel], options, { bias, rng });
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias, this.options);
  }

  /** A layer like this one that holds the kernel W. */
  withWeight(W: NDArray): Conv1d {
    const layer: Conv1d = Object.assign(Object.create(Object.getPrototypeOf(this)), this);
    layer.weight = parameterLike(this.weight, W);
    return layer;
  }

  override describe(): string {
    return described(this.weight, this.options);
  }
}

/** A convolution over an image: x [batch, in, H, W] → [batch, out, H', W']. W [out, in/groups, h, w]. */
export class Conv2d extends Module {
  readonly options: ConvolutionOptions<number | Pair>;
  weight: Parameter;
  bias: Parameter | null;

  /** @throws ArgumentError unless sizes are positive integers and groups divides both numbers of channels */
  constructor(
    inChannels: number,
    outChannels: number,
    kernel: number | Pair,
    given: LayerOptions & ConvolutionOptions<number | Pair> = {},
  ) {
    super();
    checkLayer("Conv2d", given, known);
    const { bias, rng, ...options } = given;
    const [height, width] = pair(kernel);
    checkSizes("Conv2d", { inChannels, outChannels, "kernel height": height, "kernel width": width });
    this.options = options;
    [this.weight, this.bias] = initial("Conv2d", inChannels, outChannels, [height, width], options, {
      bias,
      rng,
    });
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.options);
  }

  /** A layer like this one that holds the kernel W. */
  withWeight(W: NDArray): Conv2d {
    const layer: Conv2d = Object.assign(Object.create(Object.getPrototypeOf(this)), this);
    layer.weight = parameterLike(this.weight, W);
    return layer;
  }

  override describe(): string {
    return described(this.weight, this.options);
  }
}

function initial(
  who: string,
  inChannels: number,
  outChannels: number,
  kernel: readonly number[],
  { groups = 1 }: { readonly groups?: number },
  { bias = true, rng = defaultRandom() }: LayerOptions,
): [Parameter, Parameter | null] {
  checkSizes(who, { groups });
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new ArgumentError(who, "groups that divides both numbers of channels", {
      inChannels,
      outChannels,
      groups,
    });
  }
  const shape = [outChannels, inChannels / groups, ...kernel];
  const fanIn = sizeOf(shape.slice(1));
  const weight = parameter(kaimingUniform(rng, shape, fanIn));
  return [weight, bias ? parameter(kaimingUniform(rng, [outChannels], fanIn)) : null];
}

function described({ shape }: Parameter, options: ConvolutionOptions<number | Pair>): string {
  const [out, inPerGroup, ...kernel] = shape;
  const settings = Object.entries(options).map(([name, value]) => `, ${name} ${value}`);
  return `${inPerGroup * (options.groups ?? 1)} → ${out}, kernel ${kernel.join(" × ")}${settings.join("")}`;
}
