/** @file verifyAdapter: what is wrong with the two files of an adapter, without a model. */

import {
  decodeUtf8,
  LowrankError,
  readSaved,
  type SafeTensor,
  sizeOf,
  tensorStatistics,
} from "../../core/index.ts";
import { patternValues, targetedModules } from "./config/modules.ts";
import { type PeftConfig, parsePeftConfig } from "./config/parse.ts";
import { CONFIG, checkFiles } from "./folder.ts";
import { type OpenAdapter, type OpenLayer, openAdapter } from "./open.ts";
import { isPlain } from "./plain.ts";

/** One thing that was found in files. */
export interface FileFinding {
  /** An "error" keeps the files from being used here; a "note" is worth knowing. */
  readonly level: "error" | "note";
  /** A sentence that names the file, tensor or field. */
  readonly message: string;
}

/**
 * Checks an adapter's folder: the files are there and well-formed; each field is one that this library computes with; each
 * layer has the tensors of its method, of the ranks that the configuration says; the configuration means the layers of
 * the file. Whether it fits a base, `loadAdapter` says, on `openPretrained(base).model` without the base in memory.
 *
 * @example
 * for (const { level, message } of verifyAdapter("my-adapter")) console.log(`${level}: ${message}`);
 * @param folder the adapter's folder
 * @returns what was found, in no particular order; nothing of level "error" when all is right
 */
export function verifyAdapter(folder: string): FileFinding[] {
  const found: FileFinding[] = [];
  const attempt = <T>(run: () => T): T | null => {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof LowrankError)) throw error;
      found.push({ level: "error", message: error.message });
      return null;
    }
  };
  const text = attempt(() =>
    readSaved(folder, (file, place) => {
      checkFiles(folder, place);
      return decodeUtf8(`${folder}: ${CONFIG}`, file(CONFIG));
    }),
  );
  if (text === null) return found;
  const adapter = attempt(() => openAdapter(folder));
  if (!adapter) return found;
  if (adapter.layers.length === 0)
    found.push({ level: "error", message: `${folder}: the file holds no adapter of any layer` });
  if (isPlain(text)) return [...found, ...adapter.layers.flatMap(emptyLayer)];
  const config = attempt(() => parsePeftConfig(text, `${folder}: ${CONFIG}`));
  if (!config) return found;
  found.push(...adapter.layers.flatMap((layer) => layerFindings(layer, config)));
  found.push(...(attempt(() => targetFindings(adapter, config)) ?? []));
  found.push(...notes(adapter, config));
  return found;
}

const emptyLayer = ({ name, tensors }: OpenLayer): FileFinding[] =>
  tensors.size > 0
    ? []
    : [{ level: "error", message: `${name}: adapter_config.json names it, the file has no tensor of it` }];

/** The tensors that a layer's adapter has, by method. */
const letters: Readonly<Record<string, readonly string[]>> = {
  lora: ["A", "B"],
  dora: ["A", "B", "magnitude_vector"],
  adalora: ["A", "B", "E"],
};

function layerFindings({ name, tensors, rank, shape }: OpenLayer, config: PeftConfig): FileFinding[] {
  const found: FileFinding[] = [];
  const error = (message: string): void =>
    void found.push({ level: "error", message: `${name}: ${message}` });
  const part = (letter: string): SafeTensor | undefined =>
    [...tensors].find(
      ([key]) => new RegExp(`^lora_(embedding_)?${letter}(\\.|$)`).test(key) && !key.endsWith(".bias"),
    )?.[1];
  const needed = letters[config.method] ?? ["A", "B"];
  const missing = needed.filter((letter) => !part(letter));
  for (const letter of missing) error(`lora_${letter} is missing`);
  for (const letter of ["magnitude_vector", "E"])
    if (part(letter) && !needed.includes(letter))
      error(`lora_${letter} is there, but adapter_config.json says ${config.method}`);
  for (const [key, { dtype }] of tensors)
    if (!/^B?F/.test(dtype)) error(`${key} is ${dtype}; expected floats`);
  if (missing.length > 0) return found;
  const mask = config.masks?.get(name);
  const expected = mask
    ? mask.filter(Boolean).length
    : patternValues("rank_pattern", config.rankPattern, config.rank)(name);
  const [A, B, E, m] = ["A", "B", "E", "magnitude_vector"].map(part);
  if (rank !== expected)
    error(`A has ${rank} rows; adapter_config.json says rank ${expected}${mask ? " are left" : ""}`);
  const inner = A?.shape.length === 2 && B?.shape.length === 2 ? B.shape[1] : rank;
  if (inner !== rank) error(`A has ${rank} rows and B ${inner} columns; expected one rank`);
  if (E && sizeOf(E.shape) !== rank) error(`lora_E has ${sizeOf(E.shape)} values for ${rank} rows of A`);
  if (m && sizeOf(m.shape) !== shape[0] && sizeOf(m.shape) !== shape[1])
    error(`lora_magnitude_vector has ${sizeOf(m.shape)} values for ${shape[0]} outputs`);
  return found;
}

/** Layers of the file that target_modules does not mean, and names in it that mean no layer of the file. */
function targetFindings({ layers }: OpenAdapter, { modules }: PeftConfig): FileFinding[] {
  const names = layers.map(({ name }) => name);
  const listed = names.map((name) => ({ name, kind: "linear" as const }));
  const meant = new Set(targetedModules(listed, modules));
  const stray = names.filter((name) => !meant.has(name));
  const target = Array.isArray(modules.target) ? (modules.target as readonly string[]) : [];
  const unused = target.filter((end) => !names.some((name) => name === end || name.endsWith(`.${end}`)));
  return [
    ...stray.map(
      (name): FileFinding => ({
        level: "error",
        message: `${name}: the file has an adapter of it, but target_modules and exclude_modules do not mean it`,
      }),
    ),
    ...unused.map(
      (end): FileFinding => ({
        level: "note",
        message: `target_modules names ${end}, of which the file has no adapter`,
      }),
    ),
  ];
}

function notes({ layers }: OpenAdapter, config: PeftConfig): FileFinding[] {
  const isZero = ({ tensors }: OpenLayer): boolean => {
    const of = (pattern: RegExp) =>
      [...tensors].filter(([key]) => pattern.test(key)).map(([, tensor]) => tensor);
    return [/^lora_(embedding_)?B(\.weight)?$/, /^lora_E$/].some((pattern) => {
      const found = of(pattern);
      return (
        found.length > 0 && found.every((tensor) => tensorStatistics(tensor).zeros === sizeOf(tensor.shape))
      );
    });
  };
  const dead = layers.filter(isZero).map(({ name }) => name);
  const found: FileFinding[] = [];
  if (dead.length > 0 && dead.length === layers.length)
    found.push({
      level: "note",
      message: "B is 0 in every layer, as before training: the adapter's ΔW does nothing",
    });
  else if (dead.length > 0) {
    const more = dead.length > 4 ? ` and ${dead.length - 4} more` : "";
    found.push({ level: "note", message: `ΔW is 0 in ${dead.slice(0, 4).join(", ")}${more}` });
  }
  if (config.unknown.length > 0)
    found.push({
      level: "note",
      message: `adapter_config.json: ${config.unknown.join(", ")}: unknown here; what a newer version of PEFT computes by them is not computed`,
    });
  if (config.alpha === 0)
    found.push({ level: "note", message: "lora_alpha is 0: the adapter's ΔW does nothing" });
  return found;
}
