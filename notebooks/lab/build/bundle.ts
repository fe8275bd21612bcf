/** @file The lab's scripts and its style, bundled: each one text, with nothing left to fetch. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { packageNames } from "../../support/package-names.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The program of the page, or of the worker. Only the worker computes with gpu.js. */
export function bundleScript(which: "page" | "worker"): Promise<string> {
  return bundled({
    entryPoints: [here(which === "page" ? "entry.ts" : "../engine/worker.ts")],
    format: "iife",
    jsx: "automatic",
    jsxImportSource: "preact",
    tsconfigRaw: {},
    plugins: which === "page" ? [packageNames, withoutGpuJs] : [packageNames],
  });
}

/** The styles, with the fonts in them. */
export function bundleStyle(): Promise<string> {
  return bundled({
    entryPoints: [here("style.css")],
    loader: { ".woff2": "dataurl" },
    plugins: [fewerFonts],
  });
}

async function bundled(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    bundle: true,
    write: false,
    minify: true,
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    logLevel: "error",
    ...options,
  });
  return outputFiles![0].text;
}

/** The fonts that the page has: Latin and Greek, and the usual letters and signs of equations. */
const FONTS =
  /inter-(latin|greek)-wght-(normal|italic)|KaTeX_(Main-(Regular|Bold|Italic)|Math-Italic|AMS-Regular|Size\d-Regular)/;

/** Drops the other fonts, and the older forms of these. */
const fewerFonts: Plugin = {
  name: "fewer-fonts",
  setup({ onLoad }) {
    onLoad({ filter: /(katex|wght|wght-italic)\.css$/ }, async ({ path }) => ({
      loader: "css",
      contents: (await readFile(path, "utf8"))
        .replace(/@font-face\s*\{[^}]*\}/g, (face) => (FONTS.test(face) ? face : ""))
        .replace(/, url\([^)]*\.(woff|ttf)\) format\("[^"]*"\)/g, ""),
    }));
  },
};

/** Leaves gpu.js out, half a megabyte. */
const withoutGpuJs: Plugin = {
  name: "without-gpu-js",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^gpu\.js$/ }, ({ path }) => ({ path, namespace: "absent" }));
    onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "" }));
  },
};
