/**
 * @file Pruned triplets of AdaLoRA in PEFT's files: rank_pattern says which triplets are left, and the tensors hold only
 * those.
 *
 *     "rank_pattern": { "h.0.fc.lora_E": [true, false, true] }      lora_A [2, in], lora_B [out, 2], lora_E [2, 1]
 */

import type { Parameter } from "../../../autograd/index.ts";
import type { Adapter } from "../../model/adapter.ts";
import type { TripletForm } from "../../model/method.ts";

/** For each layer, which triplets are in the file; null when all are. */
export type Masks = ReadonlyMap<string, readonly boolean[]> | null;

/** For each layer, which triplets add something to ΔW. */
export const aliveIn = (triplets: TripletForm, parts: ReadonlyMap<string, Adapter>): Map<string, boolean[]> =>
  new Map(Array.from(parts, ([path, part]) => [path, triplets.alive(part)]));

/**
 * Which triplets are written: those of the file that the adapter was read from, when every triplet that is alive is among
 * them; else those that are alive. All are written when all are alive or none is, as at the start, and when the file had
 * all, and those that were alive in it are alive.
 */
export function masksOf(
  triplets: TripletForm,
  parts: ReadonlyMap<string, Adapter>,
  origin?: { readonly masks: Masks; readonly alive: Masks },
): Masks {
  const alive = aliveIn(triplets, parts);
  const before = origin?.masks ?? null;
  if (origin?.masks === null && JSON.stringify([...alive]) === JSON.stringify([...(origin.alive ?? [])]))
    return null;
  const holds = (mask: readonly boolean[] | undefined, lives: readonly boolean[]): boolean =>
    mask === undefined || lives.every((lives, i) => !lives || mask[i]);
  if (before && [...alive].every(([path, lives]) => holds(before.get(path), lives))) return before;
  const all = [...alive.values()].flat();
  return all.includes(true) && all.includes(false) ? alive : null;
}

/** Masks as PEFT's rank_pattern. */
export const maskFields = (masks: NonNullable<Masks>): Readonly<Record<string, readonly boolean[]>> =>
  Object.fromEntries(Array.from(masks, ([path, mask]) => [`${path}.lora_E`, mask]));

/** The values of a parameter without those of the triplets that `mask` leaves out, in row-major order. */
export function shortened({ value, shape }: Parameter, axis: 0 | 1, mask: readonly boolean[]): number[] {
  return [...value.data].filter((_, i) => mask[tripletOf(i, shape, axis)]);
}

/** The values of a parameter, with `kept` in the places of the triplets that `mask` names: the inverse of `shortened`. */
export function expanded(
  { value, shape }: Parameter,
  axis: 0 | 1,
  mask: readonly boolean[],
  kept: ArrayLike<number>,
): Float64Array {
  let next = 0;
  return Float64Array.from(value.data, (old: number, i: number) =>
    mask[tripletOf(i, shape, axis)] ? kept[next++] : old,
  );
}

/** The triplet of element `i` of a matrix whose `axis` counts triplets. */
const tripletOf = (i: number, [, columns]: readonly number[], axis: 0 | 1): number =>
  axis === 0 ? Math.floor(i / columns) : i % columns;
