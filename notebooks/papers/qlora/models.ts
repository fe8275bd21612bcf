/**
 * @file Models stored in few bits: their linear weights rounded to a data type, what that costs in loss, and the arms of
 * the comparison, which tune LoRA's adapters on top.
 */
import { array, random, scope } from "lowrank/core";
import { type AdaptedModel, inject } from "lowrank/lora";
import {
  evaluated,
  type GPT2,
  generate,
  isLinearLike,
  type LanguageModel,
  type Llama,
  type Module,
  nextTokenLoss,
} from "lowrank/nn";
import { dequantizeModel, type Format, quantizedLayers, quantizeModel } from "lowrank/quant";
import {
  type Batch,
  countedLabels,
  type Domain,
  decode,
  encode,
  IGNORED,
  taskDomain,
} from "../../support/data/domain.ts";
import { anyStyle, LONGEST } from "../../support/data/house-style.ts";
import { validationLoss } from "../../support/experiments/evaluation.ts";
import { adamW } from "../../support/experiments/harness.ts";
import { type Arm, type ArmResult, type Shift, study } from "../../support/experiments/study.ts";
import { type DataType, dataTypes, fewer, roundTo } from "./formats.ts";

/** Replaces the weight W [out, in] of each linear layer except the head by `round(W)`, in place. */
export function roundWeights<M extends Module>(model: M, round: (W: Float32Array) => Float32Array): M {
  for (const [name, layer] of [...model.namedModules()]) {
    if (!isLinearLike(layer) || name === "lm_head") continue;
    const W = scope(() => layer.denseWeight());
    model.replaceModule(name, layer.withWeight(array(round(W.toArray()), W.shape)) as Module & typeof layer);
    // Otherwise the meter counts the old weight until garbage collection.
    for (const weight of layer.parameters().filter((p) => p !== layer.bias)) weight.value.storage.release();
  }
  return model;
}

/** The linear weights of a model, one after the other. */
export function linearWeights(model: Module): Float32Array {
  const parts: Float32Array[] = [];
  roundWeights(model, (W) => {
    parts.push(W);
    return W;
  });
  const all = new Float32Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** What is needed of a base here. */
export interface Base {
  readonly name: string;
  readonly domain: Domain;
  copy(): LanguageModel;
}

/** Quantizes the weights in place, and releases the dense ones, which the meter would count until garbage collection. */
export function toFewBits<M extends LanguageModel>(
  model: M,
  options: { format: Format; blockSize: number; doubleQuant?: boolean },
): M {
  const before = model.parameters();
  quantizeModel(model, options);
  const kept = new Set(model.parameters());
  for (const weight of before) if (!kept.has(weight)) weight.value.storage.release();
  return model;
}

/** Mean losses of a few rows each, for comparing two models on the same rows. */
export function lossesByRows(model: LanguageModel, { validation }: Domain, rows = 4): number[] {
  const few = validation.flatMap((batch) => rowsOf(batch, rows));
  return evaluated(model, () =>
    few.map((batch) =>
      scope(
        () =>
          nextTokenLoss(model, batch.ids, batch.labels, { reduction: "sum" }).item() / countedLabels(batch),
      ),
    ),
  );
}

function rowsOf({ ids, labels }: Batch, rows: number): Batch[] {
  const [all, width] = ids.shape;
  const part = ({ data }: Batch["ids"], from: number, n: number) => ({
    data: Int32Array.from(data.subarray(from * width, (from + n) * width) as Int32Array),
    shape: [n, width],
  });
  return Array.from({ length: Math.ceil(all / rows) }, (_, i) => {
    const n = Math.min(rows, all - i * rows);
    return { ids: part(ids, i * rows, n), labels: part(labels, i * rows, n) };
  });
}

/** Sentences about restaurants in styles drawn anew, for a base that knows them; for another, its held-out text. */
export function ownTask({ name, domain }: Base, rows: number): Domain {
  return /^(restaurants|tiny)/.test(name)
    ? taskDomain(anyStyle, { time: LONGEST, test: rows, random: random(10) })
    : domain;
}

/** Losses of a base on a domain, stored in each of `types`; `added` is the mean difference to the dense model's. */
export function storedIn(base: Base, domain: Domain, types: readonly DataType[], blockSize: number) {
  const dense = lossesByRows(base.copy(), domain);
  const rows = types.map((type) => {
    const model = roundWeights(base.copy(), (W) => roundTo(type, W, blockSize).rounded);
    const losses = lossesByRows(model, domain);
    for (const storage of model.storages()) storage.release();
    return { type: type.name, losses, added: meanOf(losses) - meanOf(dense) };
  });
  return {
    base: base.name,
    parameters: sizeOf(base.copy()),
    loss: meanOf(dense),
    rows,
    losses: (type: string): readonly number[] => rows.find((row) => row.type === type)?.losses ?? [],
    /** "NF4 + DQ +0.124, Int4 +0.197" */
    added: (types: readonly string[]): string =>
      rows
        .filter(({ type }) => types.includes(type))
        .map(({ type, added }) => `${type} ${signed(added)}`)
        .join(", "),
  };
}

/** "+0.124" */
export const signed = (value: number): string =>
  `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(Math.abs(value) < 1 ? 3 : 2)}`;

export const sizeOf = (model: Module): number => model.parameters().reduce((sum, { size }) => sum + size, 0);

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** The formats of the library by the names of this page. */
const FORMATS: Readonly<Record<string, Format>> = { Int4: "int4", FP4: "fp4", NF4: "nf4", "NF4 + DQ": "nf4" };

/** Stores a model as the arm of this name does, in place: "float32", a format of the library, or "NF3" and "NF2". */
export function store<M extends LanguageModel>(model: M, name: string, blockSize: number): M {
  if (name === "float32") return model;
  if (FORMATS[name])
    return toFewBits(model, { format: FORMATS[name], blockSize, doubleQuant: name === "NF4 + DQ" });
  const type = [...dataTypes, ...fewer].find((one) => one.name === name);
  if (!type) throw new RangeError(`store: expected a data type of this page; got ${name}`);
  return roundWeights(model, (W) => roundTo(type, W, blockSize).rounded);
}

/** LoRA with α = 2r on every linear layer. */
export function withLora<M extends LanguageModel>(
  model: M,
  { rank, seed }: { readonly rank: number; readonly seed: number },
): AdaptedModel<M> {
  return inject(model, { method: "lora", rank, alpha: 2 * rank, target: "all-linear", seed });
}

/** What the model writes after `prompt`, up to the end of the line. */
export function written(model: LanguageModel, prompt: string): string {
  const ids = Array.from(encode(prompt));
  const { rows } = generate(model, [ids], { maxNewTokens: LONGEST - ids.length, stopTokens: [0] });
  return decode(rows[0].slice(ids.length)).trimEnd() || "(an empty line)";
}

/** What is read of a tuned model: a text (of the first reported seed), and the losses of two ways to merge. */
export interface Tuned {
  readonly text: string;
  readonly merged: { readonly dense: number; readonly again: number } | null;
}

/** One arm for each way to store the base. All train the same adapters. */
export function armsOf(
  names: readonly string[],
  {
    rank,
    blockSize,
    rates,
    domain,
    prompt,
  }: {
    readonly rank: number;
    readonly blockSize: number;
    readonly rates: readonly number[];
    /** Where merged models are judged. */
    readonly domain: Domain;
    /** What the tuned models are to continue; without it they write nothing. */
    readonly prompt?: string;
  },
): Arm<LanguageModel, { adapted: AdaptedModel<LanguageModel>; seed: number }, Tuned>[] {
  return names.map((name) => ({
    name,
    rates,
    prepare(model, { rate, seed }) {
      const adapted = withLora(store(model, name, blockSize), { rank, seed });
      return { module: adapted, adapted: { adapted, seed }, optimizer: adamW(adapted, rate) };
    },
    read({ adapted, seed }) {
      const text = prompt !== undefined && seed === 100 ? written(adapted.model, prompt) : "";
      return { text, merged: name === "NF4 + DQ" ? merged(adapted, domain) : null };
    },
  }));
}

/** The loss of W + sBA in a dense copy, and quantized again. */
function merged(adapted: AdaptedModel<LanguageModel>, domain: Domain) {
  const dense = validationLoss(dequantizeModel(adapted.model), domain);
  return { dense, again: validationLoss(adapted.toPlain(), domain) };
}

/** Loss and text of a shift's base, stored and not yet tuned. */
export function beforeTuning(
  names: readonly string[],
  { copy, domain }: Shift<LanguageModel>,
  { blockSize, prompt }: { readonly blockSize: number; readonly prompt: string },
) {
  return names.map((name) => {
    const model = store(copy(), name, blockSize);
    const before = { name, loss: validationLoss(model, domain), text: written(model, prompt) };
    for (const storage of model.storages()) storage.release();
    return before;
  });
}

/** The first held-out example of a task: what is given, and what should follow. */
export function exampleOf({ validation: [{ ids, labels }] }: Domain): { prompt: string; completion: string } {
  const width = ids.shape[1];
  const start = Array.from(labels.data.subarray(0, width) as Int32Array).findIndex((id) => id !== IGNORED);
  const line = decode(ids.data.subarray(0, width));
  return { prompt: line.slice(0, start), completion: line.slice(start).trimEnd() };
}

/** The losses of the runs whose adapters were merged: kept beside the base, in a dense copy, quantized again. */
export function mergedLosses(results: readonly ArmResult<Tuned>[]) {
  const runs = results.flatMap((result) => result.runs).filter(({ read }) => read.merged !== null);
  return {
    kept: runs.map(({ loss }) => loss),
    dense: runs.map(({ read }) => read.merged?.dense ?? Number.NaN),
    again: runs.map(({ read }) => read.merged?.again ?? Number.NaN),
  };
}

/** The share of the quantized weights that have the same code in both models. */
export function codesKept(one: Module, other: Module): number {
  const [a, b] = [one, other].map((model) =>
    Array.from(quantizedLayers(model), ([, { packed }]) => packed.codes()),
  );
  const all = a.reduce((n, { length }) => n + length, 0);
  return a.reduce((n, codes, i) => n + codes.filter((code, j) => code === b[i][j]).length, 0) / all;
}

/** What storing costs a reader's model, layer by layer and in loss, and what adapters win back. */
export function readersModel(
  shift: Shift<GPT2 | Llama>,
  { rank, blockSize, steps }: { readonly rank: number; readonly blockSize: number; readonly steps: number },
) {
  const names = ["float32", "FP4", "NF4 + DQ"];
  const rates = [3e-4, 1e-3, 3e-3];
  const options = { rank, blockSize, rates, domain: shift.domain };
  const results = study(armsOf(names, options), [shift], { steps, rows: 4, seeds: 1, search: 1 });
  const losses = results.map(({ arm, rate, losses: [tuned] }) => {
    const model = store(shift.copy(), arm, blockSize);
    const stored = validationLoss(model, shift.domain);
    for (const storage of model.storages()) storage.release();
    return { format: arm, stored, tuned, rate };
  });
  const { layers } = quantizeModel(shift.copy(), { format: "nf4", blockSize, doubleQuant: true });
  return { base: shift.base, text: shift.domain.name, losses, layers };
}
