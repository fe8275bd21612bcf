/**
 * @file AdaptedLayer: a frozen layer with any number of named adapters. It stands in the layer's place in the model.
 *
 *     h = W0 x + Σ ΔW_i x + b        over the effective adapters: those that are active and not merged
 *
 * Adapters that change the bias add Σ Δb_i, merged ones too: only `plain` makes a layer that holds b + Σ Δb.
 *
 * Every adapter sees the original W0, also while others are merged: so W0 + Σ ΔW_i means the same however it came about.
 * An adapter with a residual weight R (PiSSA, OLoRA, LoftQ) sees R instead, and its ΔW is R + s B A − W0.
 */

import { addRows, noGrad, Tensor, takeRows } from "../../autograd/index.ts";
import { AdapterError, binary, type IndexLike, indices, type NDArray } from "../../core/index.ts";
import {
  type Copier,
  isLinearLike,
  type LinearLike,
  Module,
  parameterLike,
  parametersIn,
} from "../../nn/index.ts";
import type { Adapter } from "./adapter.ts";
import { checkBatch } from "./checks.ts";
import { type LayerInput, viewWeight, type WeightView } from "./weight-view.ts";

/** Which adapters are in use. One object, shared by all adapted layers of a model. */
export interface Selection {
  /** Names of the active adapters, whose updates are added. */
  active: readonly string[];
  /** The adapter of each row of the batch (null: none), instead of the active ones. */
  rows: readonly (string | null)[] | null;
  /** When true, every layer is the one it was before. */
  disabled: boolean;
}

/** A layer that can be called. */
type Callable = Module & { forward(x: LayerInput): Tensor };

/** A frozen layer with adapters by name: h = W0 x + Σ ΔW_i x + b. Made by `inject`. */
export class AdaptedLayer extends Module {
  /** The layer as it was, frozen. */
  readonly original: Module;
  /** The layer that computes: the original, or one like it that holds the merged weight. */
  base: Module;
  readonly adapters = new Map<string, Adapter>();
  /** For adapters with a residual weight R (PiSSA, OLoRA, LoftQ): a layer like the original that holds R. */
  readonly residuals = new Map<string, Module>();
  readonly selection: Selection;
  /** Names of the adapters that are in the base's weight now. */
  merged: readonly string[] = [];
  readonly #views = new Map<Module, WeightView>();

  constructor(original: Module, selection: Selection = { active: [], rows: null, disabled: false }) {
    super();
    this.original = original;
    this.base = original;
    this.training = original.training;
    this.selection = selection;
    this.#viewOf(original);
  }

  override *children(): Generator<[string, Module]> {
    yield ["base", this.base];
    for (const [name, layer] of this.residuals) yield [`remainders.${name}`, layer]; // the name in saved runs
    for (const [name, adapter] of this.adapters) yield [`adapters.${name}`, adapter];
  }

  /** Targets see the original layer here. */
  override get wraps(): Module {
    return this.original;
  }

  /** The frozen weight, as adapters see it; those with a residual weight see that instead. */
  get W0(): WeightView {
    return this.#viewOf(this.original);
  }

  /** @deprecated Named `W0` now. */
  get site(): WeightView {
    return this.W0;
  }

  addAdapter(name: string, adapter: Adapter): void {
    if (adapter.residual) this.residuals.set(name, this.W0.withWeight(adapter.residual));
    adapter.residual = null; // from now on that layer holds it
    this.adapters.set(name, adapter);
  }

  deleteAdapter(name: string): void {
    const residual = this.residuals.get(name);
    if (residual) this.#views.delete(residual);
    this.residuals.delete(name);
    this.adapters.delete(name);
  }

  /** h = W0 x + Σ ΔW_i x + b   [..., out] */
  forward(x: LayerInput): Tensor {
    const { disabled, rows } = this.selection;
    if (disabled) return (this.original as Callable).forward(x);
    if (rows) return this.W0.addBias(this.#byRow(x, rows));
    const names = this.effective();
    const db = this.deltaBias([...this.merged, ...names]);
    if (names.length === 0 && !db) return (this.base as Callable).forward(x);
    const only = names.length === 1 && this.merged.length === 0 && !this.residuals.has(names[0]);
    if (only) return this.#adapter(names[0]).forward(this.W0, x);
    const y = this.W0.addBias(this.#sum(x, names));
    return db ? this.W0.shiftOutput(y, db) : y;
  }

  /** The output without the bias. */
  project(x: LayerInput): Tensor {
    const { disabled, rows } = this.selection;
    if (disabled) return this.W0.project(x);
    return rows ? this.#byRow(x, rows) : this.#sum(x, this.effective());
  }

  /** Names of the adapters here whose updates are added to the output: active, and not merged. */
  effective(): readonly string[] {
    const { active, disabled } = this.selection;
    return disabled ? [] : active.filter((name) => this.adapters.has(name) && !this.merged.includes(name));
  }

  /** ΔW of an adapter [out, in]: the effective weight with only this adapter, minus W0. */
  delta(name: string): Tensor {
    const W = this.#weightFor(name);
    const dW = this.#adapter(name).deltaWeight(W);
    return this.residuals.has(name) ? W.weight().sub(this.W0.weight()).add(dW) : dW;
  }

  /** W0 + Σ ΔW over `names` [out, in], without history. Summed in the order in which the adapters were added. */
  mergedWeight(names: readonly string[]): NDArray {
    return noGrad(() => {
      const here = [...this.adapters.keys()].filter((name) => names.includes(name));
      const lead = here.find((name) => this.residuals.has(name)); // R + s B A is exact where W0 + ΔW would round
      const start = lead ? this.#weightFor(lead) : this.W0;
      const change = (name: string): Tensor =>
        name === lead ? this.#adapter(name).deltaWeight(start) : this.delta(name);
      return here.reduce((W, name) => binary("add", W, change(name).value), start.weight().value);
    });
  }

  /** Σ w Δb over `names` [out], each with its factor, 1 by default; null when none of them changes the bias. */
  deltaBias(names: Iterable<string>, weights?: ReadonlyMap<string, number>): Tensor | null {
    const chosen = [...names];
    return [...this.adapters].reduce<Tensor | null>((sum, [name, adapter]) => {
      const db = chosen.includes(name) ? adapter.deltaBias() : null;
      const weight = weights?.get(name) ?? 1;
      const weighted = weight === 1 ? db : (db?.mul(weight) ?? null);
      return sum && weighted ? sum.add(weighted) : (weighted ?? sum);
    }, null);
  }

  /** A layer of the original's kind that holds W0 + Σ ΔW and b + Σ Δb over `names`; the original when none is here. */
  plain(names: readonly string[]): Module {
    const [layer, bias] = [this.#withMerged(names), this.mergedBias(names)];
    const place = bias && Array.from(parametersIn(layer)).find(({ name }) => name === "bias");
    place?.put(parameterLike(place.value, bias as NDArray));
    return layer;
  }

  /** b + Σ Δb over `names` [out], without history; null when none of them changes the bias, or there is none to change. */
  mergedBias(names: readonly string[]): NDArray | null {
    const db = noGrad(() => this.deltaBias(names));
    const place = Array.from(parametersIn(this.original)).find(({ name }) => name === "bias");
    return db && place ? binary("add", place.value.value, db.value) : null;
  }

  /** A layer of the original's kind that holds W0 + Σ ΔW over `names`; the original itself when none is here. */
  #withMerged(names: readonly string[]): Module {
    const here = names.some((name) => this.adapters.has(name));
    return here ? this.W0.withWeight(this.mergedWeight(names)) : this.original;
  }

  /**
   * Makes `names`, and no others, the merged adapters. The original layer stays beside the merged one, so that
   * merging none restores it bit for bit: while merged, the weight is in memory twice.
   */
  setMerged(names: readonly string[]): void {
    if (this.base !== this.original) this.#views.delete(this.base);
    this.base = this.#withMerged(names);
    this.merged = names.filter((name) => this.adapters.has(name));
  }

  override cloneWith(copy: Copier): AdaptedLayer {
    const Layer = this.constructor as typeof AdaptedLayer;
    const made = new Layer(copy(this.original), copy(this.selection));
    made.base = copy(this.base);
    for (const [name, layer] of this.residuals) made.residuals.set(name, copy(layer));
    for (const [name, adapter] of this.adapters) made.adapters.set(name, copy(adapter));
    made.merged = [...this.merged];
    made.training = this.training;
    return made;
  }

  #viewOf(layer: Module): WeightView {
    const before = this.#views.get(layer);
    if (before) return before;
    const view = viewWeight(layer);
    this.#views.set(layer, view);
    return view;
  }

  /** The weight that an adapter sees: W0, or its residual weight R. */
  #weightFor(name: string): WeightView {
    return this.#viewOf(this.residuals.get(name) ?? this.original);
  }

  #adapter(name: string): Adapter {
    const adapter = this.adapters.get(name);
    if (adapter) return adapter;
    const there = [...this.adapters.keys()].join(", ") || "none";
    throw new AdapterError(
      `adapter: expected one that is on this layer (${there}); got ${JSON.stringify(name)}`,
    );
  }

  /** W0 x + Σ ΔW_i x over `names`, beside what is merged. */
  #sum(x: LayerInput, names: readonly string[]): Tensor {
    // The first adapter with a residual weight R starts from R x: one product fewer than W0 x + (R − W0) x, and exact.
    const lead = this.merged.length === 0 ? names.find((name) => this.residuals.has(name)) : undefined;
    const Wx = lead ? this.#weightFor(lead).project(x) : this.#viewOf(this.base).project(x);
    const W0x = (): Tensor => (lead || this.merged.length > 0 ? this.W0.project(x) : Wx);
    return names.reduce((h, name) => {
      if (name === lead) return h.add(this.#adapter(name).delta(this.#weightFor(name), x, Wx));
      return h.add(this.#change(name, x, W0x()));
    }, Wx);
  }

  /** ΔW_i x, from x and W0 x: with a residual weight R x + s B A x − W0 x. */
  #change(name: string, x: LayerInput, W0x: Tensor): Tensor {
    const adapter = this.#adapter(name);
    if (!this.residuals.has(name)) return adapter.delta(this.W0, x, W0x);
    const R = this.#weightFor(name);
    const Rx = R.project(x);
    return Rx.add(adapter.delta(R, x, Rx)).sub(W0x);
  }

  /** Each row of the batch with its own adapter: the rows of one adapter are computed together. */
  #byRow(x: LayerInput, rows: readonly (string | null)[]): Tensor {
    checkBatch(x, rows.length);
    if (rows.length === 0) return this.W0.project(x);
    const groups = new Map<string | null, number[]>();
    for (const [i, row] of rows.entries()) {
      const name = row !== null && this.adapters.has(row) ? row : null;
      groups.set(name, [...(groups.get(name) ?? []), i]);
    }
    const parts = Array.from(groups, ([name, at]) => {
      const mine = groups.size === 1 ? x : rowsOf(x, at);
      const W = name === null ? this.W0 : this.#weightFor(name);
      const Wx = W.project(mine);
      const adapter = name === null ? null : this.#adapter(name);
      const h = adapter ? Wx.add(adapter.delta(W, mine, Wx)) : Wx;
      const db = adapter?.deltaBias();
      const y = db ? W.shiftOutput(h, db) : h;
      return groups.size === 1 ? y : addRows(y, at, rows.length);
    });
    return parts.reduce((sum, part) => sum.add(part));
  }
}

/** An adapted linear layer, which is a linear layer itself. */
export class AdaptedLinear extends AdaptedLayer implements LinearLike {
  get inFeatures(): number {
    return this.W0.in;
  }

  get outFeatures(): number {
    return this.W0.out;
  }

  get bias(): Tensor | null {
    const { bias } = this.original as LinearLike;
    const db = this.deltaBias(this.selection.disabled ? [] : [...this.merged, ...this.effective()]);
    return db && bias ? bias.add(db) : (db ?? bias);
  }

  /** W + Σ ΔW of the effective adapters [out, in]. */
  denseWeight(): Tensor {
    const layer = (this.selection.disabled ? this.original : this.base) as LinearLike;
    return this.effective().reduce((W, name) => W.add(this.delta(name)), layer.denseWeight());
  }

  withWeight(W: NDArray): LinearLike {
    return (this.original as LinearLike).withWeight(W);
  }
}

/** `layer` ready to take adapters. @throws AdapterError when it is of no kind that an adapter can go on */
export const adaptedLayer = (layer: Module, selection?: Selection): AdaptedLayer =>
  isLinearLike(layer) ? new AdaptedLinear(layer, selection) : new AdaptedLayer(layer, selection);

/** The entries of x at `at` along its first axis. */
function rowsOf(x: LayerInput, at: readonly number[]): LayerInput {
  if (x instanceof Tensor) return takeRows(x, at);
  const { data, shape } = indices(x as IndexLike);
  const width = data.length / shape[0];
  const part = new Int32Array(at.length * width);
  for (const [i, row] of at.entries()) part.set(data.subarray(row * width, (row + 1) * width), i * width);
  return { data: part, shape: [at.length, ...shape.slice(1)] };
}
