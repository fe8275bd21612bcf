/** @file The saved state of an optimizer, and the check that it fits an optimizer and its parameters. */

import { CheckpointError, type NDArray, type Shape } from "../../core/index.ts";
import { findMismatch, type LoadReport, type Shapes } from "../module/mismatch.ts";

/** The result of an optimizer's `stateDict`. Parameters are numbered in the order of the groups. */
export interface OptimizerState {
  /** The optimizer's `kind`. A state without it is judged by its arrays alone. */
  readonly kind?: string;
  /** Number of steps that each parameter has taken. */
  readonly steps: readonly number[];
  /** Arrays under the parameter's number and their name, such as `0.exp_avg`. */
  readonly arrays: ReadonlyMap<string, NDArray>;
}

/** The arrays that the state of one parameter consists of: their shapes by name. */
export type StateLayout = Readonly<Record<string, Shape>>;

/** The states that an optimizer can continue from. */
export interface Expected {
  /** The class of the optimizer, for messages. */
  readonly who: string;
  readonly kinds: readonly string[];
  /**
   * For each parameter its shape, and the layouts that its state may have; null for any arrays of the parameter's shape.
   */
  readonly parameters: readonly {
    readonly shape: Shape;
    readonly layouts: readonly StateLayout[] | null;
  }[];
}

/**
 * Checks all of a saved state. Before the first step of a parameter its state is whole or empty, afterwards whole.
 * @throws CheckpointError when the state is of another kind of optimizer or of other parameters: each part that is
 *   missing, unexpected or misshapen is named
 */
export function checkSavedState(saved: OptimizerState, { who, kinds, parameters }: Expected): void {
  const { kind, steps, arrays } = saved ?? {};
  if (!Array.isArray(steps) || !(arrays instanceof Map))
    throw new CheckpointError(
      `${who}: expected a state { steps, arrays } as stateDict() gives; got another thing`,
    );
  if (kind !== undefined && !kinds.includes(kind))
    throw new CheckpointError(`${who}: expected the state of ${kinds.join(" or ")}; got that of ${kind}`);
  if (steps.length !== parameters.length) {
    throw new CheckpointError(
      `${who}: expected the state of ${parameters.length} parameters; got that of ${steps.length}`,
    );
  }
  const wrong = steps.find((step) => !Number.isSafeInteger(step) || step < 0);
  if (wrong !== undefined)
    throw new CheckpointError(`${who}: expected steps that are non-negative integers; got ${wrong}`);
  const problems = misfits(steps, arrays, parameters);
  if (problems.length > 0) {
    const more = problems.length > 10 ? `; and ${problems.length - 10} more` : "";
    throw new CheckpointError(`${who}: the state does not fit: ${problems.slice(0, 10).join("; ")}${more}`);
  }
}

/** The arrays that do not fit. For a parameter with several layouts the layout that fits best decides. */
function misfits(
  steps: readonly number[],
  arrays: ReadonlyMap<string, NDArray>,
  parameters: Expected["parameters"],
): string[] {
  const own = parameters.map(() => new Map<string, NDArray>());
  const problems: string[] = [];
  for (const [key, array] of arrays) {
    const [, index] = /^(0|[1-9]\d*)\..+$/.exec(key) ?? [];
    const mine = own[Number(index)];
    if (mine) mine.set(key, array);
    else problems.push(`unexpected ${key} (parameters are numbered from 0 to ${parameters.length - 1})`);
  }
  parameters.forEach(({ shape, layouts }, i) => {
    const given = own[i];
    if (steps[i] === 0 && given.size === 0) return;
    const expected = layouts?.map((layout) => numbered(i, layout)) ?? [
      new Map(Array.from(given.keys(), (key) => [key, { shape }])),
    ];
    const found = expected.map((shapes) => inWords(findMismatch(shapes, given)));
    problems.push(...found.reduce((a, b) => (b.length < a.length ? b : a)));
  });
  return problems;
}

/** The layout of parameter `i` under the keys of a saved state. */
const numbered = (i: number, layout: StateLayout): Shapes =>
  new Map(Object.entries(layout).map(([name, shape]) => [`${i}.${name}`, { shape }]));

const inWords = ({ missing, unexpected, misshapen }: LoadReport): string[] => [
  ...missing.map((key) => `missing ${key}`),
  ...unexpected.map((key) => `unexpected ${key}`),
  ...misshapen,
];
