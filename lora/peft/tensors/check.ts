/** @file Checks that a file holds the tensors of an adapter for this model, before anything is changed. */

import { CheckpointError, type Shape } from "../../../core/index.ts";
import { describeMismatch, findMismatch, listModules, type Module } from "../../../nn/index.ts";
import { placesIn } from "../../model/saved-parameters.ts";
import { moduleOf } from "../config/modules.ts";
import type { Content, Echo } from "./content.ts";
import { type FileTensors, sameValues } from "./file.ts";
import { PREFIX } from "./keys.ts";

/**
 * Checks that the file holds the tensors of `content` and no others, all of them floats.
 * @throws CheckpointError naming those that are missing, unexpected, misshapen, not floats, or not those of this base
 */
export function checkTensors(source: string, content: Content, file: FileTensors): void {
  const expected = new Map<string, { readonly shape: Shape }>([
    ...[...content.slots.values()]
      .flatMap((slots) => Object.values(slots))
      .map(({ key, shape }) => [key, { shape }] as const),
    ...content.own.map(({ place, key, rows }) => {
      const { shape } = place.original;
      return [key, { shape: rows ? [rows.length, ...shape.slice(1)] : shape }] as const;
    }),
    ...content.repeated.map(({ key, parameter }) => [key, parameter] as const),
    ...content.echoes.map(({ key, place }) => [key, place.original] as const),
  ]);
  const mismatch = findMismatch(expected, file.byKey);
  const problems = describeMismatch(mismatch, 4).map((problem) => problem.replaceAll(PREFIX, ""));
  if (problems.length > 0) {
    const renamed = renamedTensor(mismatch.missing, mismatch.unexpected);
    const other = mismatch.misshapen.length > 0 ? ["such shapes are those of another base or rank"] : [];
    throw new CheckpointError(
      `${source}: not an adapter for this model: ${[...problems, ...renamed, ...other].join("; ")}`,
    );
  }
  for (const { key, parameter } of content.repeated) {
    if (!sameValues(file.values(key), parameter.value.data))
      throw new CheckpointError(`${source}: ${key} is not the weight of this model; expected the same base`);
  }
  for (const key of file.byKey.keys()) file.values(key); // refuses integers
  checkEchoes(source, content.echoes, file);
}

/** Says of a tensor that is there under another name what both names are, in full: the lists leave the prefix out. */
function renamedTensor(missing: readonly string[], unexpected: readonly string[]): string[] {
  // "lora_A.default.weight" has the adapter's name in it, which PEFT leaves out of its files.
  const bare = (key: string): string =>
    key.replace(PREFIX, "").replace(/\.(lora_\w+)\.(?!weight$|bias$)[^.]+/, ".$1");
  for (const key of unexpected) {
    const ours = missing.find(
      (one) => `.${bare(one)}`.endsWith(`.${bare(key)}`) || key.endsWith(`.${bare(one)}`),
    );
    if (ours !== undefined) return [`the file names it ${key}, for this model it is ${ours}`];
  }
  return [];
}

function checkEchoes(source: string, echoes: readonly Echo[], file: FileTensors): void {
  for (const { key, of } of echoes) {
    if (of === null || sameValues(file.values(of), file.values(key))) continue;
    const name = key.slice(PREFIX.length).replace(".modules_to_save", "");
    throw new CheckpointError(`${source}: ${of} and ${key} differ; expected one ${name}`);
  }
}

/**
 * Checks that ensure_weight_tying, which this library does not do, would change nothing: what it ties is tied already.
 * @throws CheckpointError naming what it would tie
 */
export function checkTying(source: string, model: Module, content: Content, file: FileTensors): void {
  const places = [...listModules(model)].flatMap((module) => [...placesIn(module)]);
  const keys = new Map(content.own.map(({ place, key }) => [place.name, key]));
  for (const place of places) {
    const tied = places.filter(({ original }) => original === place.original);
    const isTouched = keys.has(place.name) || content.layers.includes(moduleOf(place));
    if (tied.length < 2 || !isTouched) continue;
    const [first, ...others] = tied.map(({ name }) => {
      const key = keys.get(name);
      return key === undefined ? null : file.values(key);
    });
    if (first && others.every((other) => other && sameValues(first, other))) continue;
    const names = tied.map(({ name }) => name).join(" and ");
    throw new CheckpointError(
      `${source}: adapter_config.json: ensure_weight_tying is not supported where it ties ${names}; ` +
        "expected false, or both in modules_to_save with the same values",
    );
  }
}
