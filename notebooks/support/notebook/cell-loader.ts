/**
 * @file A module hook that compiles a notebook imported as `name.ts?cells=1` with its cell boundaries marked.
 * Stack traces and breakpoints still point into the notebook file. execute.ts registers the hook.
 *
 * Node loads this file and what it imports in a thread of its own, in which "lowrank/core" is not yet a path of the
 * sources: nothing here may import it, directly or not (test/notebooks/execute.test.ts).
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { markCells } from "./percent.ts";

const SESSION = new URL("./session.ts", import.meta.url).href;

export async function load(
  url: string,
  context: object,
  nextLoad: (url: string, context: object) => Promise<object>,
): Promise<object> {
  if (!/\?cells=\d+$/.test(url)) return nextLoad(url, context);

  const path = fileURLToPath(url);
  const { code } = await transform(markCells(await readFile(path, "utf8"), SESSION), {
    loader: "ts",
    format: "esm",
    target: "node20",
    sourcefile: path,
    sourcemap: "inline",
  });
  return { format: "module", source: code, shortCircuit: true };
}
