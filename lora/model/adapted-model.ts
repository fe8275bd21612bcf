/**
 * @file AdaptedModel: a frozen model with any number of named adapters, and everything that can be done with them: add,
 * activate, merge, choose by row, disable, delete, turn into a plain model.
 *
 * Longer than 300 lines because it is that whole interface: many methods of a few lines each.
 */

import type { Parameter } from "../../autograd/index.ts";
import { AdapterError, checkOptions, scope, synchronous } from "../../core/index.ts";
import { type Copier, cloneModule, Module } from "../../nn/index.ts";
import type { AdapterConfig } from "../methods.ts";
import { AdaptedLayer, adaptedLayer, type Selection } from "./adapted-layer.ts";
import type { Adapter } from "./adapter.ts";
import { checkConfig } from "./check-config.ts";
import { checkBiases, checkFinite, checkName } from "./checks.ts";
import type { ConfigOf, MethodDefinition } from "./method.ts";
import { planAdapters } from "./plan.ts";
import { checkTogether, type OwnParameter, ownCopies, type Place, settle } from "./saved-parameters.ts";
import { restore, type Snapshot, takeSnapshot } from "./snapshot.ts";
import { type AdapterStatus, adapterStatus, type TrainableReport, trainableReport } from "./status.ts";

/** A module with a forward of any signature. */
export type AnyModel = Module & { forward(...inputs: never[]): unknown };

/** The inputs and the output of a model's own loss; never if it has none. */
export type LossOf<M> = M extends { loss(...inputs: infer Inputs): infer Output }
  ? { readonly inputs: Inputs; readonly output: Output }
  : { readonly inputs: never; readonly output: never };

/** One adapter's name, or several. */
export type Names = string | readonly string[];

function list(names: Names): readonly string[] {
  if (typeof names === "string") return [names];
  if (Array.isArray(names)) return names;
  throw new AdapterError(`names: expected an adapter's name or a list of names; got ${typeof names}`);
}

/** The arguments of PEFT's merge_adapter and merge_and_unload. */
const mergeElsewhere = {
  safe_merge: "safe",
  adapter_names: "the names as the first argument",
  progressbar: "nothing in its place: it takes no time to speak of",
};

/** What is known of an adapter beyond its parts in the layers. */
interface Entry {
  readonly config: AdapterConfig;
  /** Its trainable parameters: those that its method made trainable, and its own copies. */
  readonly trainable: readonly Parameter[];
}

/**
 * A frozen model with named adapters. Its effective weights are W0 + Σ ΔW over the adapters that are active or merged.
 * Every refusal is an AdapterError and leaves the model as it was.
 *
 * @example
 *     const adapted = inject(model, { rank: 8, target: "all-linear" });
 *     adapted.addAdapter("second", { method: "dora", rank: 4, target: "all-linear" });
 *     adapted.activate(["default", "second"]);
 *     adapted.merge();
 *     const plain = adapted.toPlain();
 */
export class AdaptedModel<M extends AnyModel = AnyModel> extends Module {
  /** The model itself, with the adapted layers in it. */
  readonly model: M;
  #layers = new Map<string, AdaptedLayer>();
  #entries = new Map<string, Entry>();
  #own = new Map<string, readonly OwnParameter[]>();
  #selection: Selection = { active: [], rows: null, disabled: false };
  #merged: readonly string[] = [];
  /** The scope that is running, such as "disabled", in which the set of adapters must not change; null outside. */
  #scope: string | null = null;
  /** Names of the adapters that are trainable while they are not merged. */
  #training: readonly string[] = [];
  #snapshot: Snapshot;

  /** Use `inject`. Nothing is changed until the first adapter is added. */
  constructor(model: M) {
    super();
    this.model = model;
    this.training = model.training;
    this.#snapshot = takeSnapshot(model);
  }

  forward(...inputs: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    return this.model.forward(...(inputs as never[])) as ReturnType<M["forward"]>;
  }

  /**
   * The loss of the model itself, if it has one; that of language models takes ids and labels.
   * @throws AdapterError if it has none
   */
  loss(...inputs: LossOf<M>["inputs"]): LossOf<M>["output"] {
    const { loss } = this.model as { loss?: (...inputs: unknown[]) => LossOf<M>["output"] };
    if (typeof loss !== "function")
      throw new AdapterError(`loss: expected a model that has one; got ${this.model.constructor.name}`);
    return loss.apply(this.model, inputs as unknown[]);
  }

  /** Names of all adapters, in the order in which they were added. */
  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Names of the active adapters, whose updates are added to the outputs. */
  get active(): readonly string[] {
    return this.#selection.active;
  }

  /** Names of the merged adapters, whose updates are in the weights now. */
  get merged(): readonly string[] {
    return this.#merged;
  }

  /** The adapted layers by name. */
  get layers(): ReadonlyMap<string, AdaptedLayer> {
    return this.#layers;
  }

  /** The parts of an adapter by the name of their layer. */
  adapter(name: string): ReadonlyMap<string, Adapter> {
    this.#entry("adapter", name);
    const parts = [...this.#layers].flatMap(([path, { adapters }]) => {
      const part = adapters.get(name);
      return part ? [[path, part] as const] : [];
    });
    return new Map(parts);
  }

  /** An adapter's own copies of parameters of the base: biases, and modules to save. */
  ownParameters(name: string): readonly OwnParameter[] {
    this.#entry("ownParameters", name);
    return this.#own.get(name) ?? [];
  }

  /** The configuration that an adapter was added with. */
  config(name: string): AdapterConfig {
    return this.#entry("config", name).config;
  }

  /**
   * Adds an adapter, neither active nor trainable.
   * @param copies makes the adapter's own copies of parameters of the base; by default they have the base's values
   * @throws as `inject`, and AdapterError when the name is taken
   */
  addAdapter(
    name: string,
    config: AdapterConfig,
    copies?: (places: readonly Place[]) => OwnParameter[],
  ): void;
  addAdapter<D extends MethodDefinition>(name: string, config: ConfigOf<D>): void;
  addAdapter(
    name: string,
    given: object,
    copies: (places: readonly Place[]) => OwnParameter[] = ownCopies,
  ): void {
    const config = given as AdapterConfig; // as checkConfig is to find
    this.#checkOutside("addAdapter");
    checkName(name, this.names);
    checkConfig("addAdapter", config, { name: "the name as the first argument" });
    const { adapters, own } = this.#settled([], () => planAdapters(this.model, config));
    this.addParts(name, config, adapters, copies(own));
  }

  /**
   * Adds an adapter whose parts exist already, one per layer, neither active nor trainable.
   * @throws AdapterError when the name is no name or taken, or another adapter brings its own weight of such a layer
   */
  addParts(
    name: string,
    config: AdapterConfig,
    parts: ReadonlyMap<string, Adapter>,
    own: readonly OwnParameter[] = [],
  ): void {
    this.#checkOutside("addAdapter");
    checkName(name, this.names);
    const blocked = [...this.#own.values()]
      .flat()
      .find(({ name, field }) => field !== "bias" && parts.has(name.slice(0, -field.length - 1)));
    if (blocked)
      throw new AdapterError(
        `target: another adapter brings its own ${blocked.name}; expected layers without`,
      );
    if (this.#layers.size === 0) this.model.requiresGrad_(false);
    for (const [path, adapter] of parts) {
      const layer = this.#layers.get(path) ?? this.#adapt(path);
      adapter.train(layer.training);
      layer.addAdapter(name, adapter);
    }
    this.#own.set(name, own);
    const parameters = [...parts.values()].flatMap((adapter) => adapter.parameters());
    const trainable = [...parameters, ...own.map(({ copy }) => copy)].filter(
      (parameter) => parameter.requiresGrad,
    );
    this.#entries.set(name, { config, trainable });
    for (const parameter of trainable) parameter.requiresGrad = false;
  }

  #adapt(path: string): AdaptedLayer {
    const original = this.model.getModule(path);
    const layer = adaptedLayer(original, this.#selection);
    const places = [...this.model.namedModules()].filter(([, module]) => module === original);
    for (const [place] of places) this.model.replaceModule(place, layer);
    this.#layers.set(path, layer);
    return layer;
  }

  /** Removes an adapter. @throws AdapterError while it is merged */
  deleteAdapter(name: string): void {
    this.#checkOutside("deleteAdapter");
    this.#entry("deleteAdapter", name);
    if (this.#merged.includes(name))
      throw new AdapterError(`deleteAdapter: ${name} is merged; unmerge() first`);
    this.#selection.active = this.active.filter((other) => other !== name);
    this.#training = this.#training.filter((other) => other !== name);
    this.#settle();
    for (const layer of this.#layers.values()) layer.deleteAdapter(name);
    this.#entries.delete(name);
    this.#own.delete(name);
  }

  /** Makes these adapters, and no others, active and trainable. An empty list leaves the base model. */
  activate(names: Names): void {
    this.#checkOutside("activate");
    const chosen = this.#choose("activate", names);
    this.#selection.active = chosen;
    this.#settle();
    this.#training = chosen;
    this.#applyTraining();
  }

  /** Makes these adapters trainable and freezes the others, without changing which are active. */
  trainOnly(names: Names): void {
    this.#checkOutside("trainOnly");
    const chosen = [...new Set(list(names))];
    for (const name of chosen) {
      this.#entry("trainOnly", name);
      if (this.#merged.includes(name))
        throw new AdapterError(`trainOnly: ${name} is merged; unmerge() first`);
    }
    this.#training = chosen;
    this.#applyTraining();
  }

  /** Switches to training mode. @throws AdapterError while adapters are merged: their parameters reach no output then */
  override train(on = true): this {
    if (on && this.#merged.length > 0)
      throw new AdapterError(`train: ${this.#merged.join(", ")} is merged; unmerge() first`);
    return super.train(on);
  }

  /** Runs `fn` with these adapters active instead of the present ones. What is trainable does not change. */
  withAdapters<T>(names: Names, fn: () => T): T {
    const active = this.#choose("withAdapters", names);
    return this.#scoped("withAdapters", { active, rows: null, disabled: false }, fn);
  }

  /** Runs `fn` without any adapter, merged ones included: with the base model. */
  disabled<T>(fn: () => T): T {
    return this.#scoped("disabled", { active: [], rows: null, disabled: true }, fn);
  }

  /**
   * Runs `fn` with one adapter for each row of the batch: row i of every layer's input gets the update of rows[i] and
   * no other; null is the base model. Differentiate inside `fn` where it recomputes (`checkpoint`).
   * @throws AdapterError while adapters are merged, on adapters with copies of base parameters, and, at the layer, when
   *   the first axis of its input is not one entry per row
   */
  withRows<T>(rows: readonly (string | null)[], fn: () => T): T {
    if (this.#merged.length > 0)
      throw new AdapterError(`withRows: ${this.#merged.join(", ")} is merged; unmerge() first`);
    for (const name of new Set(rows)) {
      if (name === null) continue;
      this.#entry("withRows", name);
      const own = this.#own.get(name) ?? [];
      if (own.length > 0)
        throw new AdapterError(`withRows: ${name} brings its own ${own[0].name}, which all rows share`);
    }
    return this.#scoped("withRows", { active: [], rows: [...rows], disabled: false }, fn);
  }

  /**
   * Adds ΔW of these adapters to the weights, in addition to those merged before. The original weights are kept: while
   * merged, adapted layers are in memory twice.
   * @param names the active adapters by default
   * @param options safe: refuses when a merged weight would hold NaN or an infinity
   * @throws AdapterError when one is merged already, there is none, or one changes the bias of a layer that has none
   */
  merge(names: Names = this.active, options: { readonly safe?: boolean } = {}): void {
    this.#checkOutside("merge");
    checkOptions("merge", options, ["safe"], mergeElsewhere);
    const { safe = false } = options;
    const added = [...new Set(list(names))];
    for (const name of added) {
      this.#entry("merge", name);
      if (this.#merged.includes(name))
        throw new AdapterError(`merge: ${name} is merged already; unmerge() first`);
    }
    if (added.length === 0)
      throw new AdapterError("merge: expected adapters to merge; none is named or active");
    const merged = [...this.#merged, ...added];
    checkTogether(this.#own, [...new Set([...this.active, ...merged])]);
    checkBiases(this.#layers, added);
    if (safe) this.#checkFinite(merged);
    this.#setMerged(merged);
  }

  /**
   * Removes ΔW of these adapters from the weights; with none left the weights are the very originals.
   * @param names all merged adapters by default
   */
  unmerge(names: Names = this.#merged): void {
    this.#checkOutside("unmerge");
    const removed = list(names);
    if (removed.length === 0) throw new AdapterError("unmerge: nothing is merged");
    for (const name of removed) {
      this.#entry("unmerge", name);
      if (!this.#merged.includes(name)) throw new AdapterError(`unmerge: ${name} is not merged`);
    }
    this.#setMerged(this.#merged.filter((name) => !removed.includes(name)));
  }

  #setMerged(merged: readonly string[]): void {
    try {
      for (const layer of this.#layers.values()) scope(() => layer.setMerged(merged));
    } catch (error) {
      for (const layer of this.#layers.values()) scope(() => layer.setMerged(this.#merged)); // one that cannot merge
      throw error;
    }
    this.#merged = merged;
    this.#settle();
    this.#applyTraining();
  }

  #checkFinite(names: readonly string[]): void {
    for (const [path, layer] of this.#layers) {
      if (!names.some((name) => layer.adapters.has(name))) continue;
      scope(() => {
        checkFinite(`merge: ${path}`, layer.mergedWeight(names));
        const bias = layer.mergedBias(names);
        if (bias) checkFinite(`merge: ${path}.bias`, bias);
      });
    }
  }

  /**
   * A new plain model that shares nothing with this one, with the weights W0 + Σ ΔW of these adapters. What was trainable
   * before `inject` is trainable again.
   * @param names the active and the merged adapters by default
   */
  toPlain(names: Names = this.#inUse()): M {
    const chosen = list(names);
    for (const name of chosen) this.#entry("toPlain", name);
    checkTogether(this.#own, chosen);
    checkBiases(this.#layers, chosen);
    return this.#settled(chosen, () => {
      const plain = cloneModule(this.model, (module) =>
        module instanceof AdaptedLayer ? module.plain(chosen) : module,
      );
      return restore(plain, this.#snapshot);
    });
  }

  /** One row per adapter: method, ranks, size, and whether it is active and merged. */
  status(): AdapterStatus[] {
    return this.names.map((name) => adapterStatus(this, name));
  }

  /** The number of trainable parameters, and of all. */
  trainableParameters(): TrainableReport {
    return trainableReport(this);
  }

  /** Every parameter once: the base's, as if no copies were swapped in, then the adapters' own copies. */
  override *namedParameters(): Generator<[string, Parameter]> {
    const copies = [...this.#own].flatMap(([adapter, own]) => own.map((one) => ({ adapter, ...one })));
    const originalOf = new Map(copies.map(({ copy, original }) => [copy, original]));
    const seen = new Set<Parameter>();
    const base = Array.from(super.namedParameters(), ([name, parameter]): [string, Parameter] => [
      name,
      originalOf.get(parameter) ?? parameter,
    ]);
    const own = copies.map(({ adapter, name, copy }): [string, Parameter] => [
      `own.${adapter}.${name}`,
      copy,
    ]);
    for (const [name, parameter] of [...base, ...own]) {
      if (seen.has(parameter)) continue;
      seen.add(parameter);
      yield [name, parameter];
    }
  }

  /** An independent copy with all adapters in the same state: active, merged, trainable. */
  override cloneWith(copy: Copier): AdaptedModel<M> {
    this.#checkOutside("cloneModule");
    const made = new AdaptedModel(copy(this.model));
    made.training = this.training;
    made.#layers = copy(this.#layers);
    // The configuration object is shared: the files that an adapter was read from are found by it.
    made.#entries = new Map(
      Array.from(this.#entries, ([name, { config, trainable }]) => [
        name,
        { config, trainable: copy(trainable) },
      ]),
    );
    made.#own = copy(this.#own);
    made.#selection = copy(this.#selection);
    made.#merged = [...this.#merged];
    made.#training = [...this.#training];
    made.#snapshot = this.#snapshot;
    return made;
  }

  /** Names of the adapters that are in use: merged, or active and not disabled. */
  #inUse(): readonly string[] {
    const { active, disabled } = this.#selection;
    return disabled ? [] : [...new Set([...this.#merged, ...active])];
  }

  /** Swaps in the own parameters of the adapters in use. */
  #settle(acting = this.#inUse()): void {
    settle(this.#own, acting, this.#layers.values());
  }

  /** Runs `fn` with the own parameters of `acting`, and no others, swapped in. */
  #settled<T>(acting: readonly string[], fn: () => T): T {
    this.#settle(acting);
    try {
      return fn();
    } finally {
      this.#settle();
    }
  }

  #applyTraining(): void {
    for (const [name, { trainable }] of this.#entries) {
      const on = this.#training.includes(name) && !this.#merged.includes(name);
      for (const parameter of trainable) parameter.requiresGrad = on;
    }
  }

  /** Runs `fn` under another selection, and restores the previous one even if `fn` throws. */
  #scoped<T>(who: string, selection: Selection, fn: () => T): T {
    const before = { ...this.#selection };
    const outer = this.#scope;
    Object.assign(this.#selection, selection);
    this.#scope = who;
    try {
      this.#settle();
      return this.#ended(who, fn());
    } finally {
      Object.assign(this.#selection, before);
      this.#scope = outer;
      this.#settle();
    }
  }

  #ended<T>(who: string, result: T): T {
    try {
      return synchronous(who, result);
    } catch (cause) {
      const expected = "expected a function that ends when it returns; got an async one or a generator";
      throw new AdapterError(`${who}: ${expected}`, { cause });
    }
  }

  #entry(who: string, name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry) return entry;
    throw new AdapterError(
      `${who}: expected one of ${this.names.join(", ") || "no adapters"}; got ${JSON.stringify(name)}`,
    );
  }

  /** The names as a list. Merged adapters are in use whatever is chosen, so they must be among them. */
  #choose(who: string, names: Names): readonly string[] {
    const chosen = [...new Set(list(names))];
    for (const name of chosen) this.#entry(who, name);
    const silenced = this.#merged.find((name) => !chosen.includes(name));
    if (silenced !== undefined)
      throw new AdapterError(`${who}: ${silenced} is merged and not among them; unmerge() first`);
    checkTogether(this.#own, chosen);
    return chosen;
  }

  #checkOutside(who: string): void {
    if (this.#scope !== null)
      throw new AdapterError(`${who}: not inside ${this.#scope}(); expected to be called after it`);
  }
}
