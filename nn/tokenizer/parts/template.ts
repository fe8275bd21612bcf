/** @file The special tokens around a text, as the `post_processor` of tokenizer.json says. */

import { isJsonObject, type JsonObject } from "../../../core/index.ts";
import type { Definition } from "../definition.ts";
import { quote, wrong } from "../values.ts";

/** The ids before and after a text. */
export interface Around {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** @throws CheckpointError on a post-processor that is unknown or malformed */
export function around(definition: Definition): Around {
  const { post_processor } = definition.json;
  const none: Around = { before: [], after: [] };
  if (post_processor === null || post_processor === undefined) return none;
  return aroundOf(definition, post_processor);
}

function aroundOf(definition: Definition, json: unknown): Around {
  const { path } = definition;
  if (!isJsonObject(json)) throw wrong(path, `expected post_processor an object; got ${quote(json)}`);
  switch (json.type) {
    case "ByteLevel":
      return { before: [], after: [] };
    case "TemplateProcessing":
      return template(definition, json);
    case "BertProcessing":
    case "RobertaProcessing":
      return { before: [pair(definition, json, "cls")], after: [pair(definition, json, "sep")] };
    case "Sequence": {
      if (!Array.isArray(json.processors))
        throw wrong(path, `expected post_processor.processors a list; got ${quote(json.processors)}`);
      const parts = json.processors.map((part) => aroundOf(definition, part));
      return {
        before: parts.toReversed().flatMap(({ before }) => before),
        after: parts.flatMap(({ after }) => after),
      };
    }
    default:
      throw wrong(path, `there is no post_processor ${quote(json.type)} here`);
  }
}

/** A template such as [CLS] $A [SEP]. */
function template({ path, texts }: Definition, { single, special_tokens }: JsonObject): Around {
  if (!Array.isArray(single))
    throw wrong(path, `expected post_processor.single a list; got ${quote(single)}`);
  const named = isJsonObject(special_tokens) ? special_tokens : {};
  const sides: [number[], number[]] = [[], []];
  let isAfter = false;
  for (const item of single) {
    const { Sequence: sequence, SpecialToken: token } = isJsonObject(item) ? item : {};
    if (isJsonObject(sequence) && sequence.id === "A" && !isAfter) isAfter = true;
    else if (isJsonObject(token) && typeof token.id === "string") {
      const entry = Object.hasOwn(named, token.id) ? named[token.id] : undefined;
      const ids = isJsonObject(entry) ? entry.ids : undefined;
      if (!Array.isArray(ids) || !ids.every((id) => texts.has(id)))
        throw wrong(
          path,
          `expected post_processor.special_tokens to give ids of the vocabulary for ${quote(token.id)}; got ${quote(entry)}`,
        );
      sides[isAfter ? 1 : 0].push(...ids);
    } else
      throw wrong(
        path,
        `expected special tokens around one sequence A in post_processor.single; got ${quote(item)}`,
      );
  }
  if (!isAfter) throw wrong(path, `post_processor.single has no place for the text: ${quote(single)}`);
  return { before: sides[0], after: sides[1] };
}

/** One token given as [text, id]. */
function pair({ path, texts }: Definition, json: JsonObject, name: string): number {
  const value = json[name];
  const id = Array.isArray(value) ? value[1] : undefined;
  if (texts.has(id)) return id;
  throw wrong(
    path,
    `expected post_processor.${name} to be [token, id] of the vocabulary; got ${quote(value)}`,
  );
}
