/**
 * @file A module hook: a notebook imported as `name.ts?cells=1` is compiled with its cell boundaries marked.
 * Its stack traces and breakpoints still point into the notebook file. Registered by execute.ts.
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
