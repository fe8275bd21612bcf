/** @file Loads the tokenizer of a published model from its folder. */

import { ArgumentError, checkOptions, exists, fileSize, readSaved, warn } from "../../core/index.ts";
import { encodeBatch } from "./batch.ts";
import { applyChatTemplate, chatTemplates } from "./chat.ts";
import { type Definition, definition, fileNames, type TokenizerFiles } from "./definition.ts";
import { decoder, inRow, tidy } from "./parts/decoder.ts";
import { encoder } from "./parts/encoder.ts";
import { type Around, around } from "./parts/template.ts";
import type { DecodeTextOptions, PretrainedTokenizer, TextStream } from "./types.ts";
import { flag, quote, wrong } from "./values.ts";

/**
 * The tokenizer in `folder`: tokenizer.json and, where they are there, tokenizer_config.json, special_tokens_map.json and
 * chat_template.jinja. It gives the ids that transformers gives.
 *
 * @example
 * const tokenizer = loadTokenizer("models/gpt2");
 * const { data } = generate(model, [[...tokenizer.encode("Once upon a time")]], { maxNewTokens: 20 });
 * console.log(tokenizer.decode(data));
 * @throws CheckpointError when there is no tokenizer.json, which says what to do with what is there instead; when a file
 *   is malformed or asks for something that is not implemented
 */
export function loadTokenizer(folder: string): PretrainedTokenizer {
  if (typeof folder !== "string" || folder === "")
    throw new ArgumentError("loadTokenizer", "the path of a folder", { folder });
  return readSaved(folder, (file, place) => {
    const present = fileNames.filter((name) => exists(place(name)));
    for (const name of present) {
      const bytes = fileSize(place(name));
      if (bytes > MOST_BYTES)
        throw wrong(`${folder}/${name}`, `expected at most ${MOST_BYTES} bytes; it has ${bytes}`);
    }
    return parseTokenizer(Object.fromEntries(present.map((name) => [name, file(name)])), folder);
  });
}

/** More than any tokenizer's file has (the largest published ones have 33 MB), and less than a string holds. */
const MOST_BYTES = 256e6;

/**
 * A tokenizer from the contents of its files, by their names: for a browser, which has no folders.
 *
 * @example
 * const file = async (name) => new Uint8Array(await (await fetch(`models/gpt2/${name}`)).arrayBuffer());
 * const tokenizer = parseTokenizer({ "tokenizer.json": await file("tokenizer.json") });
 * @param source names where the files are from, in messages
 * @throws CheckpointError as `loadTokenizer`
 */
export function parseTokenizer(files: TokenizerFiles, source = "tokenizer"): PretrainedTokenizer {
  checkOptions("parseTokenizer", files, fileNames);
  const known = definition(source, files);
  const { path, json, config, model, ids, texts, added, special } = known;
  const encodeText = encoder(known);
  const sides = around(known);
  warnOfSides(source, known, sides);
  const startDecoder = decoder(path, json.decoder);
  const templates = chatTemplates(source, files, config);
  const cleans = flag(`${source}/tokenizer_config.json`, config, "clean_up_tokenization_spaces", false);
  const isTidied = cleans && model.type !== "BPE"; // in the text of BPE the spaces are its own
  const specialIds = new Set(added.filter((token) => token.special).map(({ id }) => id));
  let largest = 0;
  for (const id of texts.keys()) largest = Math.max(largest, id);
  const paddingSide = sideOf(path, json.padding, config);

  const plain = (text: string): number[] => {
    if (typeof text !== "string") throw new ArgumentError("encode", "a string", { text });
    return encodeText(text.replace(/\p{Surrogate}/gu, "\ufffd"));
  };
  const decodeStream = (options: DecodeTextOptions = {}): TextStream => {
    checkOptions("decode", options, ["skipSpecialTokens"], { skip_special_tokens: "skipSpecialTokens" });
    const { skipSpecialTokens = true } = options;
    const start = startDecoder();
    const stage = isTidied ? inRow([start, tidy()]) : start;
    return {
      push(id) {
        const text = texts.get(id);
        if (text === undefined)
          throw new ArgumentError("decode", `ids of the vocabulary of ${path}, from 0 to ${largest}`, { id });
        return skipSpecialTokens && specialIds.has(id) ? "" : stage.push(text).join("");
      },
      end: () => stage.end().join(""),
    };
  };

  return {
    vocabSize: largest + 1,
    kind: model.type,
    bosToken: special.bos,
    eosToken: special.eos,
    padToken: special.pad,
    unkToken: special.unk,
    paddingSide,
    hasChatTemplate: templates.size > 0,
    idOf: (token) => ids.get(token) ?? null,
    tokenOf: (id) => texts.get(id) ?? null,
    isSpecial: (id) => specialIds.has(id),
    encode(text, options = {}) {
      checkOptions("encode", options, ["addSpecialTokens"], { add_special_tokens: "addSpecialTokens" });
      const { addSpecialTokens = true } = options;
      const inner = plain(text);
      return Int32Array.from(addSpecialTokens ? [...sides.before, ...inner, ...sides.after] : inner);
    },
    decode(ids, options) {
      if (!(Array.isArray(ids) || ArrayBuffer.isView(ids)))
        throw new ArgumentError("decode", "a list of ids", { ids });
      const stream = decodeStream(options);
      const pieces: string[] = [];
      for (let i = 0; i < ids.length; i++) pieces.push(stream.push(ids[i]));
      return pieces.join("") + stream.end();
    },
    decodeStream,
    encodeBatch: (texts, options = {}) =>
      encodeBatch(
        {
          plain,
          around: sides,
          padding: (special.pad ?? special.eos ?? special.unk)?.id ?? 0,
          side: paddingSide,
        },
        texts,
        options,
      ),
    applyChatTemplate: (messages, options = {}) =>
      applyChatTemplate({ source, templates, tokens: known.named }, messages, options),
  };
}

/** add_bos_token and add_eos_token count for tokenizers without a tokenizer.json; where they say otherwise, it is said. */
function warnOfSides(source: string, { config, special }: Definition, { before, after }: Around): void {
  const sides = [
    ["add_bos_token", special.bos, before],
    ["add_eos_token", special.eos, after],
  ] as const;
  for (const [name, token, ids] of sides)
    if (token && typeof config[name] === "boolean" && config[name] !== ids.includes(token.id))
      warn(
        `${source}: tokenizer_config.json has ${name} ${config[name]}, but tokenizer.json ${config[name] ? "does not add" : "adds"} ${token.text}; tokenizer.json counts, as in transformers 5`,
      );
}

/** Classes of transformers whose texts are filled up on the left where the files say nothing. */
const leftSided = /^(CodeLlama|Cohere2?|Gemma|Llama|XLNet)Tokenizer(Fast)?$/;

function sideOf(path: string, padding: unknown, config: Readonly<Record<string, unknown>>): "left" | "right" {
  const direction = (padding as { direction?: unknown } | null | undefined)?.direction;
  const side = config.padding_side ?? (typeof direction === "string" ? direction.toLowerCase() : undefined);
  if (side === "left" || side === "right") return side;
  if (side !== undefined) throw wrong(path, `expected padding_side "left" or "right"; got ${quote(side)}`);
  return leftSided.test(`${config.tokenizer_class}`) ? "left" : "right";
}
