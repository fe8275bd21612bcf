/** @file The sources as a bundler for browsers sees the package: the `browser` condition, and minified names. */

import { build } from "esbuild";
import { packageNames } from "../../notebooks/support/package-names.ts";

/** What a page fetches. */
export interface Bundle {
  /** The scripts, by the paths under which a page asks for them; the first to run is `/page.js`. */
  readonly scripts: ReadonlyMap<string, Uint8Array>;
  /** The source files of the scripts that are fetched at once; the others come when they are asked for. */
  readonly atOnce: readonly string[];
  readonly onDemand: readonly string[];
}

/** The scripts of a page, and of its workers by name. */
export async function bundlePage(
  entry: string,
  workers: Readonly<Record<string, string>> = {},
): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: { page: entry, ...workers },
    bundle: true,
    write: false,
    splitting: true,
    outdir: "/",
    metafile: true,
    platform: "browser",
    format: "esm",
    target: "es2022",
    minify: true, // kernels must survive it
    tsconfigRaw: {},
    plugins: [packageNames],
    logLevel: "error",
  });
  const { outputs } = metafile;
  const [start] = Object.keys(outputs).filter((path) => outputs[path].entryPoint === entry);
  const fetched = new Set<string>([start]);
  for (const path of fetched) {
    for (const { path: next, kind } of outputs[path].imports) {
      if (kind === "import-statement") fetched.add(next);
    }
  }
  const sourcesOf = (isAtOnce: boolean): string[] =>
    Object.keys(outputs)
      .filter((path) => fetched.has(path) === isAtOnce)
      .flatMap((path) => Object.keys(outputs[path].inputs));
  return {
    scripts: new Map(outputFiles.map(({ path, contents }) => [path, contents])),
    atOnce: sourcesOf(true),
    onDemand: sourcesOf(false),
  };
}
