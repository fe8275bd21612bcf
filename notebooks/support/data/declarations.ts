/**
 * @file Real text that every installed clone has: `node_modules/@types/node`, whose declarations are code and whose
 * documentation comments are English prose. It gives a natural shift of domain without a download.
 *
 * Every text here consists of line feeds and the 95 printable ASCII characters: 96 symbols.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { toAscii } from "./text.ts";

/** One declaration file, separated into code and prose. */
export interface SourceFile {
  /** Path within the package, without `.d.ts`: "fs", "fs/promises". */
  readonly name: string;
  /** The declarations without comments. */
  readonly declarations: string;
  /** The text of the documentation comments, without code examples. */
  readonly prose: string;
}

/** Two texts: a base model is pretrained on `source` and adapted to `target`. */
export interface DomainShift {
  readonly name: string;
  readonly source: string;
  readonly target: string;
}

/**
 * The files of `@types/node`, sorted by name (version 26: 83 files, 0.80 MB of declarations, 1.04 MB of prose).
 * Copies for older compilers are excluded.
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

/** The far shift, from code to English (0.80 → 1.04 MB): the base has seen hardly any English sentence. */
export function farShift(): DomainShift {
  const files = nodeTypes();
  return { name: "far", source: concatenate(files, "declarations"), target: concatenate(files, "prose") };
}

/** A comment, or a string (which may look like a comment inside). Declarations contain no regular expressions. */
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
