/** @file What the page carries, read from the repository: the base's files and the texts. For Node: the build and the tests. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BaseFiles } from "../engine/types.ts";

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const text = (path: string): string => readFileSync(at(path), "utf8");

/** The files of the base `english`. */
export function baseFiles(): BaseFiles {
  const folder = "bases/english";
  return {
    config: text(`${folder}/config.json`),
    weights: new Uint8Array(readFileSync(at(`${folder}/model.safetensors`))),
    tokenizer: text(`${folder}/tokenizer.json`),
    tokenizerConfig: text(`${folder}/tokenizer_config.json`),
  };
}

/** Characters of the novel: enough for a few hundred steps, and small in a page. */
const NOVEL = 100_000;

/**
 * The texts of the lab by name: the three targets, and `base`, addresses like those that the base was trained on. None
 * of the addresses was among these.
 */
export function labTexts(): Record<"base" | "speeches" | "moby-dick" | "code", string> {
  const addresses = text("support/data/state-of-the-union.txt").split("\n\n");
  return {
    base: addresses.slice(0, 2).join("\n\n"),
    speeches: addresses.slice(2).join("\n\n"),
    "moby-dick": text("support/data/moby-dick.txt").slice(0, NOVEL),
    code: text("lab/texts/code.txt"),
  };
}
