/**
 * @file AdaptedLayer: a frozen layer with any number of named adapters. It stands in the layer's place.
 *
 *     y = W0 x + Σ update_i(x, W0 x) + b        over the adapters that act
 *
 * Every adapter sees the original W0, also while others are merged: so W0 + Σ ΔW_i means the same however it came about.
 */

import { addRows, noGrad, Tensor, takeRows } from "../../autograd/index.ts";
import { AdapterError, binary, type IndexLike, indices, type NDArray } from "../../core/index.ts";
import { type Copier, isLinearLike, type LinearLike, Module } from "../../nn/index.ts";
import type { Adapter } from "./adapter.ts";
import { type LayerInput, type Site, siteOf } from "./weight-view.ts";

/** Which adapters act. One object, shared by all adapted layers of a model. */
export interface Selection {
  /** Names of the adapters that add their updates. */
  active: readonly string[];
  /** The adapter of each row of the batch (null: none) in the place of the active ones. */
  rows: readonly (string | null)[] | null;
  /** True: every layer is the one it was before. */
  disabled: boolean;
}

/** A layer as its forward is called here. */
type Callable = Module & { forward(x: LayerInput): Tensor };

export class AdaptedLayer extends Module {
  /** The layer as it was, frozen. */
  readonly original: Module;
  /** The layer that computes: the original, or one like it that holds the merged weight. */
  base: Module;
  readonly adapters = new Map<string, Adapter>();
  /** For adapters that took a part of W0 over (PiSSA, OLoRA, LoftQ): the layer with the remainder R they go on. */
  readonly remainders = new Map<string, Module>();
  readonly selection: Selection;
  /** Names of the adapters that are in the base's weight now. */
  merged: readonly string[] = [];
  readonly #sites = new Map<Module, Site>();

  constructor(original: Module, selection: Selection = { active: [], rows: null, disabled: false }) {
    super();
    this.original = original;
    this.base = original;
    this.training = original.training;
    this.selection = selection;
    this.#siteOf(original);
  }

  override *children(): Generator<[string, Module]> {
    yield ["base", this.base];
    for (const [name, layer] of this.remainders) yield [`remainders.${name}`, layer];
    for (const [name, adapter] of this.adapters) yield [`adapters.${name}`, adapter];
  }

  /** Targets see the original layer here. */
  override get wraps(): Module {
    return this.original;
  }

  /** The original layer as a matrix: what adapters see, but those that go on a remainder. */
  get site(): Site {
    return this.#siteOf(this.original);
  }

  addAdapter(name: string, adapter: Adapter): void {
    if (adapter.remainder) this.remainders.set(name, this.site.withWeight(adapter.remainder));
    adapter.remainder = null; // it lives in that layer now
    this.adapters.set(name, adapter);
  }

  deleteAdapter(name: string): void {
    const remainder = this.remainders.get(name);
    if (remainder) this.#sites.delete(remainder);
    this.remainders.delete(name);
    this.adapters.delete(name);
  }

  forward(x: LayerInput): Tensor {
    const { disabled, rows } = this.selection;
    if (disabled) return (this.original as Callable).forward(x);
    if (rows === null && this.acting().length === 0) return (this.base as Callable).forward(x);
    return this.site.addBias(this.project(x));
  }

  /** The output without the bias. */
  project(x: LayerInput): Tensor {
    const { disabled, rows } = this.selection;
    if (disabled) return this.site.project(x);
    if (rows) return this.#projectRows(x, rows);
    const acting = this.acting();
    const lead = this.merged.length === 0 ? acting.find((name) => this.remainders.has(name)) : undefined;
    // W0 x + (R − W0) x is R x: said so, it costs nothing and rounds nothing.
    const Wx = lead ? this.#siteFor(lead).project(x) : this.#siteOf(this.base).project(x);
    const W0x = (): Tensor => (lead || this.merged.length > 0 ? this.site.project(x) : Wx);
    return acting.reduce(
      (y, name) => y.add(name === lead ? this.#update(name, x, Wx) : this.#change(name, x, W0x())),
      Wx,
    );
  }

  /** Names of the adapters here that add to the output: the active ones, less those already in the weight. */
  acting(): readonly string[] {
    const { active, disabled } = this.selection;
    return disabled ? [] : active.filter((name) => this.adapters.has(name) && !this.merged.includes(name));
  }

  /** ΔW of an adapter [out, in]: the weight with it and nothing else, less W0. */
  delta(name: string): Tensor {
    const dW = this.#part(name).deltaWeight(this.#siteFor(name));
    return this.remainders.has(name) ? this.#siteFor(name).weight().sub(this.site.weight()).add(dW) : dW;
  }

  /** W0 + Σ ΔW over `names` [out, in], without history. Summed in the order in which the adapters were added. */
  mergedWeight(names: readonly string[]): NDArray {
    return noGrad(() => {
      const here = [...this.adapters.keys()].filter((name) => names.includes(name));
      const lead = here.find((name) => this.remainders.has(name));
      const start = lead ? this.#siteFor(lead) : this.site;
      return here.reduce(
        (W, name) =>
          binary("add", W, (name === lead ? this.#part(name).deltaWeight(start) : this.delta(name)).value),
        start.weight().value,
      );
    });
  }

  /** A layer of the original's kind that holds W0 + Σ ΔW over `names`; the original itself when none is here. */
  plain(names: readonly string[]): Module {
    const here = names.some((name) => this.adapters.has(name));
    return here ? this.site.withWeight(this.mergedWeight(names)) : this.original;
  }

  /**
   * Makes `names`, and no others, the merged adapters. The original layer stays beside the merged one, so that
   * merging none restores it bit for bit: while merged, the weight is in memory twice.
   */
  setMerged(names: readonly string[]): void {
    if (this.base !== this.original) this.#sites.delete(this.base);
    this.base = this.plain(names);
    this.merged = names.filter((name) => this.adapters.has(name));
  }

  override cloneWith(copy: Copier): AdaptedLayer {
    const Layer = this.constructor as typeof AdaptedLayer;
    const made = new Layer(copy(this.original), copy(this.selection));
    made.base = copy(this.base);
    for (const [name, layer] of this.remainders) made.remainders.set(name, copy(layer));
    for (const [name, adapter] of this.adapters) made.adapters.set(name, copy(adapter));
    made.merged = [...this.merged];
    made.training = this.training;
    return made;
  }

  #siteOf(layer: Module): Site {
    const before = this.#sites.get(layer);
    if (before) return before;
    const site = siteOf(layer);
    this.#sites.set(layer, site);
    return site;
  }

  /** What an adapter sees as its layer. */
  #siteFor(name: string): Site {
    return this.#siteOf(this.remainders.get(name) ?? this.original);
  }

  #part(name: string): Adapter {
    const adapter = this.adapters.get(name);
    if (!adapter) throw new AdapterError(`adapter: ${JSON.stringify(name)} is not on this layer`);
    return adapter;
  }

  #update(name: string, x: LayerInput, Wx: Tensor): Tensor {
    return this.#part(name).update(this.#siteFor(name), x, Wx);
  }

  /** ΔW x, from x and W0 x. */
  #change(name: string, x: LayerInput, W0x: Tensor): Tensor {
    if (!this.remainders.has(name)) return this.#update(name, x, W0x);
    const Rx = this.#siteFor(name).project(x);
    return Rx.add(this.#update(name, x, Rx)).sub(W0x);
  }

  /** Each row of the batch with its own adapter: the rows of one are computed together. */
  #projectRows(x: LayerInput, rows: readonly (string | null)[]): Tensor {
    checkBatch(x, rows.length);
    if (rows.length === 0) return this.site.project(x);
    const groups = new Map<string | null, number[]>();
    for (const [i, row] of rows.entries()) {
      const name = row !== null && this.adapters.has(row) ? row : null;
      groups.set(name, [...(groups.get(name) ?? []), i]);
    }
    const parts = Array.from(groups, ([name, at]) => {
      const mine = groups.size === 1 ? x : rowsOf(x, at);
      const site = name === null ? this.site : this.#siteFor(name);
      const Wx = site.project(mine);
      const y = name === null ? Wx : Wx.add(this.#update(name, mine, Wx));
      return groups.size === 1 ? y : addRows(y, at, rows.length);
    });
    return parts.reduce((sum, part) => sum.add(part));
  }
}

/** An adapted linear layer is a linear layer itself. */
export class AdaptedLinear extends AdaptedLayer implements LinearLike {
  get inFeatures(): number {
    return this.site.in;
  }

  get outFeatures(): number {
    return this.site.out;
  }

  get bias(): Tensor | null {
    return (this.original as LinearLike).bias;
  }

  /** W + Σ ΔW of the acting adapters [out, in]. */
  denseWeight(): Tensor {
    const layer = (this.selection.disabled ? this.original : this.base) as LinearLike;
    return this.acting().reduce((W, name) => W.add(this.delta(name)), layer.denseWeight());
  }

  withWeight(W: NDArray): LinearLike {
    return (this.original as LinearLike).withWeight(W);
  }
}

/** `layer` with room for adapters. @throws AdapterError when it is of no kind that an adapter can go on */
export const adaptedLayer = (layer: Module, selection?: Selection): AdaptedLayer =>
  isLinearLike(layer) ? new AdaptedLinear(layer, selection) : new AdaptedLayer(layer, selection);

/** @throws AdapterError unless the first of x's axes, two or more, has one entry per row */
function checkBatch(x: LayerInput, rows: number): void {
  const { shape } = x instanceof Tensor ? x : indices(x);
  if (shape.length >= 2 && shape[0] === rows) return;
  throw new AdapterError(
    `withRows: expected a batch of ${rows} rows along the first of at least two axes; a layer got [${shape.join(", ")}]`,
  );
}

/** The entries of x at `at` along its first axis. */
function rowsOf(x: LayerInput, at: readonly number[]): LayerInput {
  if (x instanceof Tensor) return takeRows(x, at);
  const { data, shape } = indices(x as IndexLike);
  const width = data.length / shape[0];
  const part = new Int32Array(at.length * width);
  for (const [i, row] of at.entries()) part.set(data.subarray(row * width, (row + 1) * width), i * width);
  return { data: part, shape: [at.length, ...shape.slice(1)] };
}
