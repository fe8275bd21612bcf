/** @file `lowrank eval`: the perplexity of a text, of the base and, beside it, with adapters. */

import { decodeUtf8, exists, LowrankError, readFile } from "../../../core/index.ts";
import {
  type LanguageModelHolder,
  type PretrainedTokenizer,
  type TextLoss,
  textLoss,
} from "../../../nn/index.ts";
import {
  contextOf,
  decoderOf,
  type LoadedBase,
  loadBase,
  modelOptions,
  parseAdapter,
  putOn,
  tokenizerOf,
} from "../base.ts";
import { defineCommand } from "../command.ts";
import { integer, text } from "../flags.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { parseIds } from "./ids.ts";

export const command = defineCommand({
  options: {
    ...modelOptions,
    text: text("file", "the text, in UTF-8"),
    ids: text("file", "the tokens as ids, such as 1, 15, 9, in place of a text; needs no tokenizer"),
    length: integer("tokens", "tokens of a window (default: the model's context)", { min: 2 }),
    stride: integer("tokens", "tokens by which the next window begins later (default: half of length)", {
      min: 1,
    }),
    batch: integer("windows", "windows that are computed at once", { min: 1, default: 8 }),
  },
  examples: [
    "eval --base models/gpt2 --text notes.txt",
    "eval --base models/gpt2 --adapter my-adapter --text notes.txt --stride 64",
  ],
  notes: `Every token after the first is predicted once, from at least length − stride tokens before it. The loss is in nats a
token; bits per byte do not depend on the tokenizer. Standard errors take tokens as independent; that of the difference
is of the differences token by token.

Fields of --json: text, tokens, bytes, length, stride, base { loss, standardError, perplexity, bitsPerByte },
adapter (the same, or null; of --ids bytes and bitsPerByte are null), difference { loss, standardError } (or null), adapters.`,
  run({ options }, terminal) {
    const file = fileOf(options);
    const adapters = options.adapter.map((given) => parseAdapter(given, terminal.io.env));
    const loaded = loadBase({ base: options.base, quantize: options.quantize }, terminal);
    const model = decoderOf("eval", loaded);
    const { ids, bytes } = file.isIds ? readIds(file.path, loaded) : readText(file.path, tokenizerOf(loaded));
    const length = options.length ?? contextOf(loaded);
    if (length > contextOf(loaded))
      throw new LowrankError(
        `--length: expected at most ${contextOf(loaded)} tokens, the model's context; got ${length}`,
      );
    const stride = options.stride ?? Math.max(1, Math.floor(length / 2));
    if (stride >= length)
      throw new LowrankError(`--stride: expected less than the length of ${length} tokens; got ${stride}`);

    const settings = { length, stride, batch: options.batch };
    const measure = (what: string, of: LanguageModelHolder) => lossOf(what, of, ids, settings, terminal);
    const base = measure("base", model);
    const adapted =
      adapters.length > 0 ? measure("adapter", putOn(loaded.model, adapters) as LanguageModelHolder) : null;
    const report = {
      text: file.path,
      tokens: base.tokens,
      bytes,
      length,
      stride,
      base: scores(base, bytes),
      adapter: adapted && scores(adapted, bytes),
      difference: adapted && difference(adapted, base),
      adapters,
    };
    terminal.result(report, () => show(report, terminal));
  },
});

/** The file that --text or --ids names. @throws LowrankError unless it is one of them */
function fileOf({ text, ids }: { readonly text?: string | undefined; readonly ids?: string | undefined }) {
  if (text !== undefined && ids !== undefined)
    throw new LowrankError("--text: expected either a text or --ids");
  const path = text ?? ids;
  if (path === undefined) throw new LowrankError("--text: expected the file of a text, or --ids");
  return { path, isIds: ids !== undefined };
}

/** The ids of a file; what they are in bytes is not known. */
function readIds(path: string, loaded: LoadedBase): { ids: Int32Array; bytes: null } {
  if (!exists(path)) throw new LowrankError(`--ids: there is no file ${path}`);
  const ids = parseIds(decodeUtf8(`--ids: ${path}`, readFile(path)), `--ids: ${path}`, loaded);
  if (ids.length < 2)
    throw new LowrankError(`--ids: expected at least 2 tokens, one to predict another from; got 1`);
  return { ids: Int32Array.from(ids), bytes: null };
}

/** The ids of a text, and the bytes of what is predicted: all but the first token. */
function readText(path: string, tokenizer: PretrainedTokenizer): { ids: Int32Array; bytes: number } {
  if (!exists(path)) throw new LowrankError(`--text: there is no file ${path}`);
  const content = decodeUtf8(`--text: ${path}`, readFile(path));
  const ids = tokenizer.encode(content);
  if (ids.length < 2)
    throw new LowrankError(
      `--text: expected at least 2 tokens, one to predict another from; ${path} has ${ids.length}`,
    );
  const all = Buffer.byteLength(content);
  const first = tokenizer.isSpecial(ids[0]) ? 0 : Buffer.byteLength(tokenizer.decode([ids[0]]));
  return { ids, bytes: Math.max(1, all - first) };
}

function lossOf(
  what: string,
  model: LanguageModelHolder,
  ids: Int32Array,
  settings: { readonly length: number; readonly stride: number; readonly batch: number },
  terminal: Terminal,
): TextLoss {
  const windows = 1 + Math.max(0, Math.ceil((ids.length - settings.length) / settings.stride));
  const progress = terminal.progress(what, windows, "windows");
  try {
    return textLoss(model, ids, { ...settings, onProgress: (done) => progress.update(done) });
  } finally {
    progress.done();
  }
}

const scores = ({ loss, standardError, perplexity, tokens }: TextLoss, bytes: number | null) => ({
  loss,
  standardError,
  perplexity,
  bitsPerByte: bytes === null ? null : (loss * tokens) / Math.LN2 / bytes,
});

/** The mean difference token by token, and its standard error. */
function difference(adapted: TextLoss, base: TextLoss): { loss: number; standardError: number } {
  const each = adapted.losses.map((loss, i) => loss - base.losses[i]);
  const n = each.length;
  const loss = each.reduce((sum, value) => sum + value, 0) / n;
  const squares = each.reduce((sum, value) => sum + (value - loss) ** 2, 0);
  return { loss, standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0 };
}

interface Report {
  readonly text: string;
  readonly tokens: number;
  readonly length: number;
  readonly stride: number;
  readonly base: ReturnType<typeof scores>;
  readonly adapter: ReturnType<typeof scores> | null;
  readonly difference: { readonly loss: number; readonly standardError: number } | null;
  readonly adapters: readonly { readonly folder: string; readonly weight: number }[];
}

function show(
  { text, tokens, length, stride, base, adapter, difference, adapters }: Report,
  terminal: Terminal,
): void {
  const row = (name: string, { loss, standardError, perplexity, bitsPerByte }: Report["base"]) => [
    name,
    loss.toFixed(4),
    `± ${standardError.toFixed(4)}`,
    perplexity.toPrecision(5),
    bitsPerByte?.toFixed(4) ?? "–",
  ];
  const right = (title: string) => ({ title, align: "right" }) as const;
  const rows = [row("base", base)];
  if (adapter) {
    const name = adapters
      .map(({ folder, weight }) => (weight === 1 ? folder : `${weight} × ${folder}`))
      .join(" + ");
    rows.push(row(`with ${name}`, adapter));
  }
  terminal.table(["model", right("loss"), "std. error", right("perplexity"), right("bits/byte")], rows);
  terminal.print(
    `\n${text}: ${tokens.toLocaleString("en-US")} tokens predicted, windows of ${length}, stride ${stride}`,
  );
  if (difference)
    terminal.print(
      `the adapter changes the loss by ${signed(difference.loss)} ± ${difference.standardError.toFixed(4)} nats a token`,
    );
}

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
