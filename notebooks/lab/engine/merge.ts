/** @file Merging: the update goes into the weights, what that changes is measured, and unmerging takes it back bit for bit. */
import { noGrad } from "lowrank/autograd";
import { scope } from "lowrank/core";
import type { AdaptedLayer, AdaptedModel } from "lowrank/lora";
import { evaluated, generate, type Llama, type Module } from "lowrank/nn";
import { dequantizeModel, type QuantizedLinear } from "lowrank/quant";
import { type Domain, heldOutLoss, heldOutWindows } from "./domain.ts";
import { Refusal } from "./refusal.ts";
import { type Run, releaseModule } from "./run.ts";
import type { Merged } from "./types.ts";
import { layerOf } from "./update.ts";

/** Tokens that are generated to take the time of one, and how often. */
const [TOKENS, TRIES] = [12, 3];

export interface MergeState {
  readonly result: Merged;
  /** The bytes of the base's matrices before the merge. */
  readonly before: readonly Uint8Array[];
}

/** @throws Refusal for a method that has no adapters, and a run that diverged. Whatever is thrown, the run is not merged. */
export function mergeRun(run: Run): MergeState {
  const adapted = adaptedOf(run);
  if (run.stopped !== null) throw new Refusal(`Merge: ${run.stopped}`);
  const before = weightBytes(run);
  const isQuantized = run.controls.format !== "float32";
  const logits = logitsOf(run.model, run.domain);
  const adaptedTime = timePerToken(run.model);
  // A quantized base is merged exactly into a dense copy; merged in place, its sum is rounded to codes again.
  const dense = isQuantized ? scope(() => dequantizeModel(run.model)) : null;
  const parts = dense && partsOf(run);
  const exact = dense && heldOutLoss(run.model, run.domain);
  adapted.merge();
  try {
    const merged = dense ?? run.model;
    const [difference, largest] = compare(logits, logitsOf(merged, run.domain));
    const mergedTime = timePerToken(merged);
    if (dense) releaseModule(dense);
    const result: Merged = {
      isMerged: true,
      difference,
      largest,
      perToken: { adapted: adaptedTime, merged: mergedTime },
      requantized: parts && {
        ...rounding(run, parts),
        exact: exact as number,
        loss: heldOutLoss(run.model, run.domain),
      },
      restored: null,
    };
    return { result, before };
  } catch (error) {
    adapted.unmerge();
    throw error;
  }
}

export function unmergeRun(run: Run, { result, before }: MergeState): Merged {
  adaptedOf(run).unmerge();
  const after = weightBytes(run);
  const restored = after.every((bytes, i) => sameBytes(bytes, before[i]));
  return { ...result, isMerged: false, restored };
}

function adaptedOf({ adapted, controls: { method } }: Run): AdaptedModel<Llama> {
  if (adapted) return adapted;
  const why =
    method === "bitfit"
      ? "BitFit's biases are the model's own"
      : "full fine-tuning changes the weights themselves";
  throw new Refusal(`Merge: expected a method with adapters; ${why}, so that nothing is left to merge.`);
}

/** The logits of a held-out row [1, time, vocabulary]. */
function logitsOf(model: Llama, domain: Domain): Float32Array {
  const { data, shape } = heldOutWindows(domain, 1);
  return scope(() => evaluated(model, () => Float32Array.from(model.forward({ data, shape }).value.data)));
}

function compare(a: Float32Array, b: Float32Array): [difference: number, largest: number] {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(a[i]));
  }
  return [difference, largest];
}

/** Milliseconds to generate one token, the fastest of several tries. */
function timePerToken(model: Llama): number {
  let fastest = Infinity;
  for (let i = 0; i < TRIES; i++) {
    const began = performance.now();
    generate(model, [[1]], { maxNewTokens: TOKENS });
    fastest = Math.min(fastest, (performance.now() - began) / TOKENS);
  }
  return fastest;
}

/** The layer that computes in the place of each matrix: while merged, the one that holds W0 + ΔW. */
const layersOf = (run: Run): Module[] =>
  run.matrices.map(({ name }) => layerOf(run, name)?.base ?? run.model.getModule(name));

/** A copy of the bytes of each matrix. */
const weightBytes = (run: Run): Uint8Array[] =>
  layersOf(run).map((layer) => {
    if ("packed" in layer) {
      const { packed } = layer as QuantizedLinear;
      const constants = packed.absmax;
      return Uint8Array.from([
        ...packed.packed,
        ...new Uint8Array(constants.buffer, constants.byteOffset, constants.byteLength),
      ]);
    }
    const { data } = (layer as unknown as { weight: { value: { data: Float32Array } } }).weight.value;
    return Uint8Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

/** A matrix before it is merged: W0 as it is stored, its codes, and ΔW. */
interface Parts {
  readonly W0: Float32Array;
  readonly codes: Uint8Array;
  readonly delta: Float32Array;
}

const partsOf = (run: Run): Parts[] =>
  run.matrices.map(({ name }) =>
    scope(() =>
      noGrad(() => {
        const layer = layerOf(run, name) as AdaptedLayer;
        return {
          W0: Float32Array.from(layer.W0.weight().value.data),
          codes: (layer.original as QuantizedLinear).packed.codes(),
          delta: Float32Array.from(layer.delta("default").value.data),
        };
      }),
    ),
  );

/** ‖round(W0 + ΔW) − (W0 + ΔW)‖/‖ΔW‖ over all matrices, and the share of weights whose code is the one from before. */
function rounding(run: Run, before: readonly Parts[]): { erased: number; unchanged: number } {
  let [lost, all, same, count] = [0, 0, 0, 0];
  for (const [at, layer] of layersOf(run).entries()) {
    const { packed } = layer as QuantizedLinear;
    const [after, codes] = [packed.toArray(), packed.codes()];
    const { W0, delta, codes: old } = before[at];
    for (let i = 0; i < after.length; i++) {
      lost += (after[i] - (W0[i] + delta[i])) ** 2;
      all += delta[i] ** 2;
      if (codes[i] === old[i]) same++;
    }
    count += after.length;
  }
  return { erased: all === 0 ? 0 : Math.sqrt(lost / all), unchanged: same / count };
}
