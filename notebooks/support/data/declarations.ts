/**
 * @file Real text that lies on every installed clone: `node_modules/@types/node`, whose declarations are code and
 * whose documentation comments are English prose. A natural shift of domain, with no download.
 *
 * Every text here consists of line feeds and the 95 printable ASCII characters: 96 symbols.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { toAscii } from "./text.ts";

/** One declaration file, taken apart. */
export interface SourceFile {
  /** Path within the package, without `.d.ts`: "fs", "fs/promises". */
  readonly name: string;
  /** The declarations, comments removed. */
  readonly declarations: string;
  /** The text of the documentation comments, without examples of code. */
  readonly prose: string;
}

/** Two domains: a base model learns `source`, and is adapted to `target`. */
export interface DomainShift {
  readonly name: string;
  readonly source: string;
  readonly target: string;
}

/**
 * The files of `@types/node`, sorted by name (version 26: 83 files, 0.80 MB of declarations, 1.04 MB of prose).
 * The copies for older compilers are left out.
 */
export function nodeTypes(): SourceFile[] {
  const root = dirname(createRequire(import.meta.url).resolve("@types/node/package.json"));
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => path.split(sep).join("/"))
    .filter((path) => path.endsWith(".d.ts") && !/^ts\d/.test(path))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((path) => {
      const text = readFileSync(join(root, path), "utf8");
      return {
        name: path.replace(/\.d\.ts$/, ""),
        declarations: withoutComments(text),
        prose: commentsOf(text),
      };
    });
}

/** Far: from code to English (0.80 → 1.04 MB). The base has seen hardly a sentence of what it is adapted to. */
export function farShift(): DomainShift {
  const files = nodeTypes();
  return { name: "far", source: concatenate(files, "declarations"), target: concatenate(files, "prose") };
}

/** A string, which may contain what looks like a comment, or a comment. Declarations hold no regular expressions. */
const STRING_OR_COMMENT =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;

function withoutComments(text: string): string {
  const code = text.replace(STRING_OR_COMMENT, (token) => (token.startsWith("/") ? "" : token));
  return `${toAscii(code)
    .replace(/[ \t]+$/gm, "")
    .replace(/\n{2,}/g, "\n")
    .trim()}\n`;
}

function commentsOf(text: string): string {
  const comments = (text.match(STRING_OR_COMMENT) ?? []).filter((token) => token.startsWith("/**"));
  const prose = comments.map((comment) =>
    comment
      .slice(3, -2)
      .replace(/^[ \t]*\* ?/gm, "")
      .replace(/^```[\s\S]*?^```.*$/gm, "")
      .replace(/[ \t]+$/gm, "")
      .replace(/\n{3,}/g, "\n\n")
      .trim(),
  );
  const kept = prose.filter((paragraph) => paragraph !== "");
  return kept.length > 0 ? `${toAscii(kept.join("\n\n"))}\n\n` : "";
}

function concatenate(files: readonly SourceFile[], part: "declarations" | "prose"): string {
  return files.map((file) => file[part]).join("");
}
