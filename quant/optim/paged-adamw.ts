/**
 * @file PagedAdamW: AdamW whose state is in pages under a byte budget (QLoRA, section 3, "Paged Optimizers").
 *
 * A page holds a run of elements of one parameter, with all their state (m and v, and v's largest for AMSGrad), and a
 * step updates it as AdamW would, page by page: the numbers are AdamW's, bit for bit.
 *
 * A step needs every page once. If all steps went through the pages in the same order, each page would have been evicted
 * just before it is needed, and any budget below the whole state would read every page at every step. So steps go
 * forwards and backwards by turns, and only pages that do not fit are read.
 */

import type { Parameter } from "../../autograd/index.ts";
import {
  ArgumentError,
  checkOptions,
  currentPrecision,
  type NDArray,
  scope,
  zeros,
} from "../../core/index.ts";
import {
  type AdamSettings,
  AdamW,
  adamDefaults,
  type OptimizerState,
  optimizerSpellings,
  type ParameterState,
  type Params,
} from "../../nn/index.ts";
import { type Page, type PageEntry, Pager, type PagerCounts, type PagerOptions } from "./pager.ts";
import { updateSlice } from "./slice-step.ts";

/** The settings of AdamW and of the pager. */
export interface PagedAdamWOptions extends Partial<AdamSettings>, PagerOptions {}

/** A run of elements of one parameter. */
interface Slice {
  readonly page: Page;
  readonly from: number;
  readonly to: number;
}

/** The state of one parameter. */
interface PagedState {
  /** Steps taken. */
  step: number;
  /** Names of the arrays in each page. */
  readonly names: readonly string[];
  readonly slices: readonly Slice[];
}

const ownOptions = ["budget", "pageBytes", "folder", "openFile"];
const moments = ["exp_avg", "exp_avg_sq"];
const allNames = [...moments, "max_exp_avg_sq"];

/**
 * AdamW whose state is in pages: at most `budget` bytes of it are in memory, and the least recently used pages are
 * evicted to a file. It computes what AdamW computes, bit for bit.
 *
 *     const optimizer = new PagedAdamW(model.parameters(), { lr: 2e-4, budget: 64 * 2 ** 20 });
 *     loss.backward();
 *     optimizer.step();
 *     optimizer.close();      // at the end: removes the page file
 */
export class PagedAdamW extends AdamW {
  readonly #pager: Pager;
  readonly #states = new Map<Parameter, PagedState>();
  /** The slices that an interrupted step has updated. */
  readonly #done = new Set<Slice>();
  #backwards = false;

  /**
   * @param options the settings of AdamW, and `budget`, the most bytes of state in memory
   * @throws ArgumentError like AdamW, and if the budget is smaller than a page, or a page than the state of one element;
   *   PagingError if the page file cannot be made
   */
  constructor(params: Params<AdamSettings>, options: PagedAdamWOptions) {
    const { budget, pageBytes, folder, openFile, ...settings } = options ?? {};
    checkOptions(
      "PagedAdamW",
      options ?? {},
      [...ownOptions, ...Object.keys(adamDefaults)],
      optimizerSpellings,
    );
    super(params, settings);
    if (pageBytes !== undefined && !(pageBytes >= 4 * allNames.length))
      throw new ArgumentError("PagedAdamW", `pageBytes of at least ${4 * allNames.length}`, { pageBytes });
    this.#pager = new Pager({ budget, pageBytes, folder, openFile });
  }

  /** Counts of faults, evictions, and bytes moved and resident. */
  get paging(): PagerCounts {
    return this.#pager.counts;
  }

  /** The page table, one row for each page. */
  get pageTable(): PageEntry[] {
    return this.#pager.table;
  }

  /** The file that pages are evicted to. */
  get pageFile(): string {
    return this.#pager.path;
  }

  /**
   * Takes a step of AdamW.
   * @throws PagingError if a page cannot be moved (a full disk). No state is lost: some of the parameters have taken the
   *   step, and calling `step` again with the same gradients takes it for the others
   */
  override step(): void {
    if (currentPrecision() === "float64")
      throw new ArgumentError("PagedAdamW", "float32, the type of its pages", { precision: "float64" });
    this.warnWithoutGradients();
    const stepped: PagedState[] = [];
    const jobs = this.groups.flatMap((group) =>
      group.params.flatMap((parameter) => {
        if (!parameter.gradValue || !parameter.requiresGrad) return [];
        const state = this.#paged(parameter, group.amsgrad);
        stepped.push(state);
        return state.slices.map((slice) => ({ parameter, group, state, slice }));
      }),
    );
    if (this.#backwards) jobs.reverse();
    for (const { parameter, group, state, slice } of jobs) {
      if (this.#done.has(slice)) continue;
      const arrays = this.#pager.use(slice.page, true);
      const part: ParameterState = {
        step: state.step + 1,
        arrays: Object.fromEntries(state.names.map((name, i) => [name, arrays[i]])),
      };
      const gradient = parameter.gradValue as NDArray;
      scope(() =>
        updateSlice(parameter, gradient, slice.from, slice.to, (w, g) => super.update(w, g, group, part)),
      );
      this.#done.add(slice);
    }
    for (const state of stepped) state.step++;
    this.#done.clear();
    this.#backwards = !this.#backwards;
  }

  /** A copy of a parameter's state. To change it, use `loadStateDict`. */
  override state(parameter: Parameter): ParameterState {
    const state = this.#states.get(parameter);
    if (!state) return { step: 0, arrays: {} };
    const arrays = Object.fromEntries(
      state.names.map((name) => [name, zeros(parameter.shape, "optimizer")] as const),
    );
    for (const { page, from } of state.slices) {
      const parts = this.#pager.use(page, false);
      state.names.forEach((name, i) => {
        arrays[name].storage.write().set(parts[i].data, from);
      });
    }
    return { step: state.step, arrays };
  }

  /** A copy of the state of all parameters, in memory that the budget does not count. */
  override stateDict(): OptimizerState {
    const states = this.parameters().map((parameter) => this.state(parameter));
    const arrays = states.flatMap((state, i) =>
      Object.entries(state.arrays).map(([name, array]) => [`${i}.${name}`, array] as const),
    );
    return { kind: this.kind, steps: states.map(({ step }) => step), arrays: new Map(arrays) };
  }

  override get kind(): string {
    return "PagedAdamW";
  }

  /**
   * Replaces the state.
   * @throws PagingError if there is no room for the pages; the state is then unchanged
   */
  protected override restore({ steps, arrays }: OptimizerState): void {
    const made: [Parameter, PagedState | null][] = [];
    try {
      for (const [i, parameter] of this.parameters().entries()) {
        const names = allNames.filter((name) => arrays.has(`${i}.${name}`));
        const values = new Map(names.map((name) => [name, arrays.get(`${i}.${name}`) as NDArray]));
        const isNew = steps[i] === 0 && names.length === 0;
        made.push([parameter, isNew ? null : this.#filled(parameter, steps[i], names.length === 3, values)]);
      }
    } catch (error) {
      for (const [, state] of made) this.#remove(state);
      throw error;
    }
    this.#done.clear();
    for (const [parameter, state] of made) this.#put(parameter, state);
  }

  /** Removes the page file, which otherwise happens when the process ends. The optimizer cannot be used afterwards. */
  close(): void {
    this.#pager.close();
  }

  /** A parameter's state, made if there is none or AMSGrad's array is missing. */
  #paged(parameter: Parameter, amsgrad: boolean): PagedState {
    const state = this.#states.get(parameter);
    if (state && (!amsgrad || state.names.length === 3)) return state;
    const { step, arrays } = this.state(parameter);
    return this.#put(parameter, this.#filled(parameter, step, amsgrad, new Map(Object.entries(arrays))));
  }

  /** Adds pages for a parameter, with these values, or zeros for arrays without values. A failure removes them again. */
  #filled(
    parameter: Parameter,
    step: number,
    amsgrad: boolean,
    values: ReadonlyMap<string, NDArray>,
  ): PagedState {
    const names = amsgrad ? allNames : moments;
    const perPage = Math.floor(this.#pager.pageBytes / (4 * names.length));
    const slices = Array.from({ length: Math.ceil(parameter.size / perPage) }, (_, i) => {
      const from = i * perPage;
      const to = Math.min(from + perPage, parameter.size);
      return { page: this.#pager.add(names.map(() => to - from)), from, to };
    });
    const state = { step, names, slices };
    if (values.size === 0) return state;
    try {
      for (const { page, from, to } of slices) {
        const arrays = this.#pager.use(page, true);
        names.forEach((name, i) => {
          const { data } = values.get(name) ?? {};
          if (data) arrays[i].storage.write().set(data.subarray(from, to));
        });
      }
      return state;
    } catch (error) {
      this.#remove(state);
      throw error;
    }
  }

  /** Replaces a parameter's state and removes the pages of the old one. */
  #put<S extends PagedState | null>(parameter: Parameter, state: S): S {
    this.#remove(this.#states.get(parameter) ?? null);
    if (state) this.#states.set(parameter, state);
    else this.#states.delete(parameter);
    return state;
  }

  #remove(state: PagedState | null): void {
    for (const { page } of state?.slices ?? []) this.#pager.remove(page);
  }
}
