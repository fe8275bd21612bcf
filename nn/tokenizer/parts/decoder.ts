/**
 * @file From tokens to text, as the `decoder` of tokenizer.json says.
 *
 * A decoder is a row of stages. Each takes tokens one at a time and gives back those that are certain, so that decoding a
 * stream and decoding everything at once are one and the same.
 */

import { isJsonObject, type JsonObject } from "../../../core/index.ts";
import { quote, wrong } from "../values.ts";
import { bytesOfCharacters } from "./bytes.ts";
import { patternOf, replaced } from "./pattern.ts";

/** Takes tokens and gives back pieces, as soon as nothing that follows can change them. */
export interface Stage {
  push(piece: string): readonly string[];
  end(): readonly string[];
}

/** Makes a stage for one text. `fused`: the pieces are parts of one token, not tokens. */
interface Maker {
  readonly make: (fused: boolean) => Stage;
  readonly fuses: boolean;
}

/** The stages of a decoder: a call starts a text. @throws CheckpointError on a decoder that is unknown or malformed */
export function decoder(path: string, json: unknown): () => Stage {
  const makers = json === null || json === undefined ? [spaced] : makersOf(path, json);
  return () => {
    let fused = false;
    return inRow(
      makers.map(({ make, fuses }) => {
        const stage = make(fused);
        fused ||= fuses;
        return stage;
      }),
    );
  };
}

/** Stages one after the other as one. */
export function inRow(stages: readonly Stage[]): Stage {
  return {
    push: (piece) =>
      stages.reduce<readonly string[]>((pieces, stage) => pieces.flatMap((p) => stage.push(p)), [piece]),
    end: () =>
      stages.reduce<readonly string[]>(
        (pieces, stage) => [...pieces.flatMap((p) => stage.push(p)), ...stage.end()],
        [],
      ),
  };
}

function makersOf(path: string, json: unknown): Maker[] {
  if (!isJsonObject(json)) throw wrong(path, `expected decoder an object; got ${quote(json)}`);
  if (json.type !== "Sequence") return [maker(path, json)];
  if (!Array.isArray(json.decoders))
    throw wrong(path, `expected decoder.decoders a list; got ${quote(json.decoders)}`);
  return json.decoders.flatMap((part) => makersOf(path, part));
}

function maker(path: string, json: JsonObject): Maker {
  const text = (name: string, otherwise?: string): string => {
    const value = json[name] ?? otherwise;
    if (typeof value === "string") return value;
    throw wrong(path, `expected ${name} of the decoder ${json.type} to be a text; got ${quote(value)}`);
  };
  const count = (name: string): number => {
    const value = json[name] ?? 0;
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw wrong(path, `expected ${name} of the decoder ${json.type} to be a count; got ${quote(value)}`);
  };
  switch (json.type) {
    case "ByteLevel":
      return { make: () => byteLevel(), fuses: true };
    case "ByteFallback":
      return { make: held(byteFallback), fuses: false };
    case "Fuse":
      return { make: () => each((piece) => piece), fuses: true };
    case "Replace": {
      const pattern = patternOf(path, json.pattern);
      const content = text("content");
      return { make: held(() => each((piece) => replaced(piece, pattern, content))), fuses: false };
    }
    case "Strip": {
      const [content, start, stop] = [text("content"), count("start"), count("stop")];
      if (Array.from(content).length !== 1)
        throw wrong(path, `expected content of the decoder Strip to be one character; got ${quote(content)}`);
      return {
        make: (fused) =>
          fused && stop === 0
            ? stripFirst(content, start)
            : held(() => each((p) => strip(p, content, start, stop)))(fused),
        fuses: false,
      };
    }
    case "Metaspace": {
      const replacement = text("replacement", "▁");
      const isNever =
        json.prepend_scheme === "never" ||
        (json.prepend_scheme === undefined && json.add_prefix_space === false);
      return {
        make: held(() => each((piece, i) => piece.replaceAll(replacement, i === 0 && !isNever ? "" : " "))),
        fuses: false,
      };
    }
    case "WordPiece": {
      const prefix = text("prefix", "##");
      const tidy = json.cleanup === false ? (piece: string) => piece : withoutSpaces;
      const join = (piece: string, i: number): string =>
        i === 0 ? piece : piece.startsWith(prefix) ? piece.slice(prefix.length) : ` ${piece}`;
      return { make: held(() => each((piece, i) => tidy(join(piece, i)))), fuses: false };
    }
    case "BPEDecoder": {
      const suffix = text("suffix", "</w>");
      return { make: held(() => withSuffix(suffix)), fuses: false };
    }
    default:
      throw wrong(path, `there is no decoder ${quote(json.type)} here`);
  }
}

/** A stage that works on whole tokens; after tokens have been fused, on all of the text, at its end. */
const held =
  (make: () => Stage) =>
  (fused: boolean): Stage => {
    if (!fused) return make();
    const stage = make();
    let all = "";
    return {
      push: (piece) => {
        all += piece;
        return [];
      },
      end: () => [...(all === "" ? [] : stage.push(all)), ...stage.end()],
    };
  };

function each(change: (piece: string, index: number) => string): Stage {
  let index = 0;
  return { push: (piece) => [change(piece, index++)], end: () => [] };
}

/** Without a decoder: tokens with spaces between them. */
const spaced: Maker = { make: () => each((piece, i) => (i === 0 ? piece : ` ${piece}`)), fuses: false };

/** Tokens of characters that stand for bytes; one with another character is taken as text. */
function byteLevel(): Stage {
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true }); // ignoreBOM: true keeps the byte order mark
  return {
    push: (piece) => [
      utf8.decode(bytesOfCharacters(piece) ?? new TextEncoder().encode(piece), { stream: true }),
    ],
    end: () => [utf8.decode()],
  };
}

/** Tokens such as <0xE2> in a row are bytes of UTF-8; a row that is no UTF-8 becomes U+FFFD for each byte. */
function byteFallback(): Stage {
  let bytes: number[] = [];
  const flush = (): string[] => {
    if (bytes.length === 0) return [];
    const row = Uint8Array.from(bytes);
    bytes = [];
    try {
      return [new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(row)];
    } catch {
      return Array.from(row, () => "\ufffd");
    }
  };
  return {
    push: (piece) => {
      if (!(piece.length === 6 && /^<0x[0-9a-f]{2}>$/i.test(piece))) return [...flush(), piece];
      bytes.push(Number.parseInt(piece.slice(3, 5), 16));
      return [];
    },
    end: flush,
  };
}

function strip(piece: string, content: string, start: number, stop: number): string {
  const characters = Array.from(piece);
  let [from, to] = [0, characters.length];
  while (from < Math.min(start, characters.length) && characters[from] === content) from++;
  while (characters.length - to < stop && to > from && characters[to - 1] === content) to--;
  return characters.slice(from, to).join("");
}

/** Leaves out the first characters of a text, as long as they are `content`. */
function stripFirst(content: string, start: number): Stage {
  let left = start;
  return each((piece) => {
    let from = 0;
    for (; left > 0 && piece.length > from && piece.startsWith(content, from); left--) from += content.length;
    if (piece.length > from) left = 0;
    return piece.slice(from);
  });
}

/** A suffix marks the end of a word: it becomes a space, but not in the last token. */
function withSuffix(suffix: string): Stage {
  let last: string | null = null;
  return {
    push: (piece) => {
      const before: string[] = last === null ? [] : [last.replaceAll(suffix, " ")];
      last = piece;
      return before;
    },
    end: () => (last === null ? [] : [last.replaceAll(suffix, "")]),
  };
}

const tidied = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
] as const;

/** English text without the spaces before marks that word pieces leave: transformers' clean_up_tokenization_spaces. */
export const withoutSpaces = (text: string): string =>
  tidied.reduce((text, [from, to]) => text.replaceAll(from, to), text);

/** The same for a text in pieces. It is cut where no replacement can reach across: before a space after a letter. */
export function tidy(): Stage {
  let held = "";
  return {
    push: (piece) => {
      held += piece;
      const cut = /^[\s\S]*[^\s'n](?= )/.exec(held)?.[0].length ?? 0;
      const ready = held.slice(0, cut);
      held = held.slice(cut);
      return ready === "" ? [] : [withoutSpaces(ready)];
    },
    end: () => [withoutSpaces(held)],
  };
}
