/** @file `lowrank verify`: what is wrong with a checkpoint, an adapter or a safetensors file, one line each. */

import { statSync } from "node:fs";
import {
  exists,
  LowrankError,
  openSafetensors,
  parseJsonObject,
  readFile,
  type SafeTensor,
  setWarnings,
} from "../../../core/index.ts";
import {
  Bert,
  BertModel,
  loadTokenizer,
  openCheckpoint,
  openPretrained,
  type PretrainedModel,
} from "../../../nn/index.ts";
import { type FileFinding, loadAdapter, openAdapter, verifyAdapter } from "../../index.ts";
import { isQuantized, loadModel } from "../base.ts";
import { defineCommand } from "../command.ts";
import { text, toggle } from "../flags.ts";
import { resolveFolder } from "../hub/index.ts";
import { printable } from "../terminal/bars.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { count } from "./checkpoint-report.ts";
import { pathOf } from "./path.ts";
import { notFinite, reportTensors } from "./tensors.ts";

export const command = defineCommand({
  arguments: [{ name: "<path>", summary: "a model's folder, an adapter's folder, or a .safetensors file" }],
  options: {
    base: text("folder", "for an adapter: the model that it must fit"),
    headers: toggle("read headers alone: do not look for NaN"),
  },
  examples: ["verify models/gpt2", "verify my-adapter --base models/gpt2"],
  notes: `Checked are the files, their JSON, every field of the configuration, names and shapes of all tensors against it, NaN
and infinities by tensor, the tokenizer and its ids; with --base also that the adapter loads on that model, whose
weights are not read into memory. Exit code 1 when an error is found; notes are no errors.

Fields of --json: path, kind (checkpoint, adapter or file), base, ok, findings [{ level (error or note), message }].`,
  run({ args: [given], options: { base, headers } }, terminal) {
    const path = pathOf(given, terminal);
    const isFile = !statSync(path).isDirectory();
    const kind = isFile ? "file" : exists(`${path}/adapter_config.json`) ? "adapter" : "checkpoint";
    if (base !== undefined && kind !== "adapter")
      throw new LowrankError(`--base: expected with an adapter's folder; ${path} is a ${kind}`);
    const folder = base === undefined ? null : resolveFolder(base, { who: "--base", env: terminal.io.env });
    const found: FileFinding[] = [];
    const before = setWarnings((message) => {
      if (!isTold.test(message)) found.push({ level: "note", message });
    });
    try {
      const tensors = kind === "file" ? verifyFile(path, found) : verifyFolder(kind, path, folder, found);
      if (tensors && !headers)
        for (const message of notFinite(reportTensors(tensors, false, terminal)))
          found.push({ level: "error", message });
    } finally {
      setWarnings(before);
    }
    const findings = withoutRepetitions(found);
    const errors = findings.filter(({ level }) => level === "error").length;
    const document = { path, kind, base: base ?? null, ok: errors === 0, findings };
    terminal.result(document, () => show(document, errors, terminal));
    return errors > 0 ? 1 : 0;
  },
});

/** A warning of loading an adapter that `verifyAdapter` has as a note. */
const isTold = /adapter_config\.json: .*: unknown, and passed over/;

type Tensors = ReadonlyMap<string, SafeTensor>;

/** Runs a check, and puts what it throws among what was found. */
function attempt<T>(found: FileFinding[], run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof LowrankError)) throw error;
    // A mismatch lists missing, unexpected and misshapen tensors: one line for each.
    const [, source = "", lists = error.message] =
      /^(.*?: )((?:missing|unexpected|misshapen): .*)$/s.exec(error.message) ?? [];
    for (const message of lists.split(/; (?=(?:missing|unexpected|misshapen): )/))
      found.push({ level: "error", message: source + message });
    return null;
  }
}

const verifyFile = (path: string, found: FileFinding[]): Tensors | null =>
  attempt(found, () => openSafetensors(path).tensors);

function verifyFolder(
  kind: "adapter" | "checkpoint",
  path: string,
  base: string | null,
  found: FileFinding[],
): Tensors | null {
  if (kind === "checkpoint") return verifyCheckpoint(path, found);
  found.push(...verifyAdapter(path));
  if (base !== null) {
    const model = attempt(found, () => (isQuantized(base) ? loadModel(base) : openPretrained(base).model));
    if (model) attempt(found, () => loadAdapter(model, path));
  }
  // What keeps the folder from being opened has been found above.
  return attempt([], () => {
    const { layers, others } = openAdapter(path);
    const own = layers.flatMap(({ name, tensors }) =>
      Array.from(tensors, ([end, tensor]) => [`${name}.${end}`, tensor] as const),
    );
    return new Map([...own, ...others]);
  });
}

function verifyCheckpoint(path: string, found: FileFinding[]): Tensors | null {
  // Quantized weights are loaded, since they have no dense values to be read one by one.
  const opened = attempt(found, () =>
    isQuantized(path) ? { model: loadModel(path), fresh: [] } : openPretrained(path),
  );
  if (opened) verifyTokens(path, opened.model, found);
  if (opened && opened.fresh.length > 0)
    found.push({ level: "note", message: `the files hold no ${opened.fresh.join(", ")}: a new classifier` });
  return attempt(opened ? found : [], () => openCheckpoint(path).tensors);
}

/** Checks the tokenizer, and the ids of special tokens, against the model's table. */
function verifyTokens(path: string, model: PretrainedModel, found: FileFinding[]): void {
  const { vocab_size: rows } = model.config;
  const isEncoder = model instanceof Bert || model instanceof BertModel;
  if (!exists(`${path}/tokenizer.json`)) {
    const need = isEncoder ? "text" : "train, generate and eval need one";
    found.push({ level: "note", message: `${path}: no tokenizer.json${isEncoder ? "" : `: ${need}`}` });
  } else {
    const tokenizer = attempt(found, () => loadTokenizer(path));
    if (tokenizer && tokenizer.vocabSize > rows)
      found.push({
        level: "error",
        message: `tokenizer.json has ids up to ${tokenizer.vocabSize - 1}, the model ${rows} tokens; expected the tokenizer of this model`,
      });
  }
  for (const name of ["config.json", "generation_config.json"]) {
    if (!exists(`${path}/${name}`)) continue;
    const fields = attempt(found, () => parseJsonObject(`${path}/${name}`, readFile(`${path}/${name}`)));
    for (const field of ["bos_token_id", "eos_token_id", "pad_token_id"]) {
      const ids = [fields?.[field] ?? []].flat() as unknown[];
      const wrong = ids.find((id) => typeof id === "number" && id >= rows);
      if (wrong === undefined) continue;
      found.push({
        level: "error",
        message: `${name}: ${field} is ${wrong}, but the model has ${rows} tokens, from 0 to ${rows - 1}`,
      });
    }
  }
}

/** Each message once, errors first. */
function withoutRepetitions(found: readonly FileFinding[]): FileFinding[] {
  const messages = new Set<string>();
  const once = found.filter(({ message }) => !messages.has(message) && messages.add(message));
  return [...once.filter(({ level }) => level === "error"), ...once.filter(({ level }) => level === "note")];
}

function show(
  {
    path,
    kind,
    base,
    findings,
  }: {
    readonly path: string;
    readonly kind: string;
    readonly base: string | null;
    readonly findings: readonly FileFinding[];
  },
  errors: number,
  terminal: Terminal,
): void {
  const { colors, print } = terminal;
  for (const { level, message } of findings)
    print(`${level === "error" ? colors.red("error") : colors.yellow("note")}: ${printable(message)}`);
  const what = `${path}: ${kind === "file" ? "a safetensors file" : kind === "adapter" ? "an adapter" : "a checkpoint"}`;
  const fits = base === null ? "" : ` for ${base}`;
  const words =
    errors === 0
      ? colors.green(`no errors${fits}`)
      : colors.red(`${count(errors)} error${errors > 1 ? "s" : ""}`);
  print(`${what}, ${words}`);
}
