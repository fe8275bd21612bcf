/** @file The sources as a bundler for browsers sees the package: the `browser` condition, and minified names. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { build, type Plugin } from "esbuild";

/** The script of page.ts. */
export async function bundlePage(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: ["test/browser/page.ts"],
    bundle: true,
    write: false,
    platform: "browser",
    format: "esm",
    target: "es2022",
    minify: true, // kernels must survive it
    tsconfigRaw: {}, // its paths lead to the modules for Node
    plugins: [sources],
    logLevel: "error",
  });
  return outputFiles[0].contents;
}

interface Package {
  readonly name: string;
  readonly imports: Readonly<Record<string, { readonly browser: string }>>;
}

/** package.json's names, followed to the sources of the built files that they stand for. */
const sources: Plugin = {
  name: "sources",
  setup({ onResolve }) {
    const { name, imports } = JSON.parse(readFileSync("package.json", "utf8")) as Package;
    onResolve({ filter: /^#/ }, ({ path }) => ({
      path: resolve(imports[path].browser.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts")),
    }));
    onResolve({ filter: new RegExp(`^${name}(/|$)`) }, ({ path }) => ({
      path: resolve(path.slice(name.length + 1), "index.ts"),
    }));
  },
};
