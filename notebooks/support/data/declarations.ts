/**
 * @file Real text that lies on every installed clone: `node_modules/@types/node`, whose declarations are code and
 * whose documentation comments are English prose. A natural shift of domain, with no download.
 *
 * Every text here consists of line feeds and the 95 printable ASCII characters: 96 symbols.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { NotebookError } from "../terminal/errors.ts";

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

const NEAR = ["crypto", "tls", "https"];

/** Near: from all code and prose but the files crypto, tls and https, to the prose of those three (1.65 → 0.11 MB). */
export function nearShift(): DomainShift {
  const files = nodeTypes();
  const others = files.filter(({ name }) => !NEAR.includes(name));
  const held = files.filter(({ name }) => NEAR.includes(name));
  return {
    name: "near",
    source: others.map(({ declarations, prose }) => declarations + prose).join(""),
    target: concatenate(held, "prose"),
  };
}

/**
 * The shift a setting names: "far", "near", or the path of a text file of the reader's own, to which a base that
 * knows the whole of `@types/node` is adapted. Throws a NotebookError if the file cannot serve.
 */
export function domainShift(text: string): DomainShift {
  if (text === "far") return farShift();
  if (text === "near") return nearShift();
  const target = ownText(text);
  const source = nodeTypes().map(({ declarations, prose }) => declarations + prose);
  return { name: relative(process.cwd(), text), source: source.join(""), target };
}

/** A reader's own text file, in ASCII; at least 10,000 characters of it. */
export function ownText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new NotebookError(
      `text: expected "far", "near" or the path of a text file; got "${path}" (${reason})`,
    );
  }
  if (bytes.includes(0)) throw new NotebookError(`text: expected a text file; "${path}" is binary`);
  const text = toAscii(bytes.toString("utf8"));
  if (text.length < 10_000) {
    throw new NotebookError(`text: expected at least 10,000 characters; "${path}" has ${text.length}`);
  }
  return text;
}

/**
 * Training and validation parts: each tenth block of 2,000 characters is held out, so that both parts come from
 * the whole of the text.
 */
export function holdOut(
  text: string,
  { block = 2000, every = 10 } = {},
): { train: string; validation: string } {
  const parts = { train: "", validation: "" };
  for (let start = 0, i = 1; start < text.length; start += block, i++) {
    parts[i % every === 0 ? "validation" : "train"] += text.slice(start, start + block);
  }
  return parts;
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

const TYPOGRAPHY: Readonly<Record<string, string>> = {
  "‘": "'",
  "’": "'",
  "“": '"',
  "”": '"',
  "–": "-",
  "—": "-",
  "…": "...",
  "→": "->",
  "×": "x",
  "\u00a0": " ",
};

/** Typographic signs become their ASCII neighbours, accents fall away, tabs become spaces, the rest is dropped. */
function toAscii(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/\t/g, "  ")
    .replace(/[^\n -~]/g, (sign) => TYPOGRAPHY[sign] ?? sign.normalize("NFKD"))
    .replace(/[^\n -~]/g, "");
}

function concatenate(files: readonly SourceFile[], part: "declarations" | "prose"): string {
  return files.map((file) => file[part]).join("");
}
