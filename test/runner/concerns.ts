/** @file Which test files a change concerns: those of its folder, and those that name the file. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** These read all files of the library, or all tests. */
const ofAll: readonly string[] = [join("test", "imports.test.ts"), join("test", "suites.test.ts")];

/** What is behind the index.ts of a folder of the library is tested by the tests of that folder. */
const isEntry = (file: string): boolean => /^((core|autograd|nn|lora|quant)[\\/])?index\.ts$/.test(file);

/** Every file test/….test.ts. */
export const testFiles = (): string[] =>
  readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => join("test", file));

/** Those of the test files `tests` that a change of the files `changed` concerns. Paths are relative to the root. */
export function concerned(changed: readonly string[], tests: readonly string[]): string[] {
  if (changed.length === 0) return [];
  const own = changed.flatMap((file) => folderOfTests(file, tests) ?? []);
  const known = new Map<string, readonly string[]>();
  return tests.filter((test) => {
    if (ofAll.includes(test) || own.some((folder) => test.startsWith(folder))) return true;
    const named = [...namedBy(test, known)];
    return changed.some((file) => named.some((path) => path === file || file.startsWith(join(path, "/"))));
  });
}

/** "core/files/json.ts" → "test/core/files/"; were there no tests in it, "test/core/"; null where there are none. */
function folderOfTests(file: string, tests: readonly string[]): string | null {
  if (file.startsWith(join("test", "/"))) return null;
  for (let folder = dirname(file); folder !== "."; folder = dirname(folder)) {
    const own = join("test", folder, "/");
    if (tests.some((test) => test.startsWith(own))) return own;
  }
  return null;
}

/** The file `test`, and the files and folders that it names, itself or in what it imports. */
function namedBy(test: string, known: Map<string, readonly string[]>): Set<string> {
  const found = new Set([test]);
  for (const file of found) {
    if (!/\.(ts|md)$/.test(file) || isEntry(file)) continue;
    if (!known.has(file)) known.set(file, namesIn(file));
    for (const path of known.get(file) ?? []) found.add(path);
  }
  return found;
}

/** Strings in code; and what the blocks of code of a page are of. */
const inCode = /(?<=["'`])[^"'`\s]+(?=["'`])/g;
const ofBlocks = /(?<=^```\w+ )\S+$/gm;

/** The files and folders that `file` names: "./x.ts", "../oracles", "README.md"; a page, those of its blocks of code. */
function namesIn(file: string): string[] {
  const strings = readFileSync(file, "utf8").matchAll(file.endsWith(".md") ? ofBlocks : inCode);
  return Array.from(strings, ([string]) => string).flatMap((string) => {
    const isRelative = /^\.\.?\//.test(string);
    const path = normalize(isRelative ? join(dirname(file), string) : string);
    if (path.startsWith("..") || !existsSync(path)) return [];
    // A word like "lora" is not meant as a folder.
    return statSync(path).isFile() || (isRelative && path.includes("/")) ? [path] : [];
  });
}
