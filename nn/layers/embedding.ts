/** @file Embedding: a table of vectors, one per id. */

import { type Parameter, parameter, type Tensor, takeRows } from "../../autograd/index.ts";
import type { IndexLike, NDArray, Random } from "../../core/index.ts";
import { Module } from "../module/module.ts";
import { checkLayer } from "../module/options.ts";
import { defaultRandom, normal } from "./init.ts";
import { checkSizes, parameterLike } from "./linear.ts";

/** The options of `Embedding`. */
export interface EmbeddingOptions {
  /** Generator of the initial table. @default that of `manualSeed` */
  readonly rng?: Random;
  /** Standard deviation of the initial N(0, std²). @default 1, as in PyTorch */
  readonly std?: number;
}

/** A table of vectors, one for each id: y[i...] = weight[ids[i...]]. weight [num, dim], ids [...], y [..., dim]. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  weight: Parameter;

  /** @throws ArgumentError unless both sizes are positive integers */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    checkLayer("Embedding", options, ["rng", "std"]);
    const { rng = defaultRandom(), std = 1 } = options;
    checkSizes("Embedding", { numEmbeddings, embeddingDim });
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.weight = parameter(normal(rng, [numEmbeddings, embeddingDim], std));
  }

  /** @throws ArgumentError on an id out of range */
  forward(ids: IndexLike): Tensor {
    return takeRows(this.weight, ids);
  }

  /** A layer like this one that holds the table W [num, dim]. */
  withWeight(W: NDArray): Embedding {
    const layer: Embedding = Object.assign(Object.create(Object.getPrototypeOf(this)), this);
    layer.weight = parameterLike(this.weight, W);
    return layer;
  }

  override describe(): string {
    return `${this.numEmbeddings} × ${this.embeddingDim}`;
  }
}
