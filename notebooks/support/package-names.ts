/** @file An esbuild plugin: the package's own names, followed to the sources that a browser gets. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "esbuild";

interface Package {
  readonly name: string;
  readonly imports: Readonly<Record<string, { readonly browser: string }>>;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Follows `lowrank`, `lowrank/core` and the names with `#` of package.json to the sources of the built files that they
 * stand for, by the condition `browser`. It needs `tsconfigRaw: {}`, since the paths of tsconfig.json lead to the modules
 * for Node.
 */
export const packageNames: Plugin = {
  name: "package-names",
  setup({ onResolve }) {
    const { name, imports } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as Package;
    onResolve({ filter: /^#/ }, ({ path }) => ({
      path: resolve(ROOT, imports[path].browser.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts")),
    }));
    onResolve({ filter: new RegExp(`^${name}(/|$)`) }, ({ path }) => ({
      path: resolve(ROOT, path.slice(name.length + 1), "index.ts"),
    }));
  },
};
