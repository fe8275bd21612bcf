/**
 * @file Vite, webpack, rollup and esbuild bundle a page that trains, with gpu.js installed and without: no warning, gpu.js
 * in a file of its own, and the numbers of the checkout, in Chromium where there is one.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, formatMessages } from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { findChromium, quiet } from "../../notebooks/support/gallery/chromium.ts";
import { serve } from "../browser/server.ts";
import { check, expect } from "./checks.ts";
import { node, noWarnings, type Outcome } from "./command.ts";
import { checkResult, type Result, summary } from "./consumer.ts";
import { tool } from "./tools.ts";

interface Bundler {
  readonly name: string;
  /** Bundles main.js of the project in `folder` into `out`, the first script being page.js. */
  readonly bundle: (folder: string, out: string) => Outcome | Promise<Outcome>;
  /** What it warns of where gpu.js is not installed. */
  readonly warnsWithoutGpu: RegExp | null;
}

/** Writes a configuration file. */
const configure = (folder: string, name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

const bundlers: readonly Bundler[] = [
  {
    name: "Vite",
    warnsWithoutGpu: null,
    bundle(folder, out) {
      const output = { entryFileNames: "page.js", chunkFileNames: "[name].js" };
      const settings = {
        logLevel: "info",
        build: {
          outDir: out,
          chunkSizeWarningLimit: 700, // gpu.js has 631 kB
          rollupOptions: { input: "main.js", output },
        },
      };
      configure(folder, "vite.config.js", `export default ${JSON.stringify(settings)};`);
      return node(folder, tool("vite", "bin", "vite.js"), ["build"]);
    },
  },
  {
    name: "webpack",
    warnsWithoutGpu: /^WARNING in .*platform\.browser\.js|compiled with 1 warning|1 warning has detailed/,
    bundle(folder, out) {
      const settings = {
        mode: "production",
        entry: "./main.js",
        output: { filename: "page.js", path: out, module: true, chunkFormat: "module" },
        experiments: { outputModule: true },
        optimization: { minimize: false },
        performance: { hints: false },
      };
      configure(folder, "webpack.config.js", `export default ${JSON.stringify(settings)};`);
      return node(folder, tool("webpack-cli", "bin", "cli.js"), [], {
        NODE_PATH: join(tool("webpack"), ".."),
      });
    },
  },
  {
    name: "rollup",
    warnsWithoutGpu: /^\(!\) Unresolved dependencies|treating-module-as-external/,
    bundle(folder, out) {
      const plugin = (name: string): string =>
        JSON.stringify(tool("@rollup", `plugin-${name}`, "dist", "es", "index.js"));
      configure(
        folder,
        "rollup.config.js",
        `import resolve from ${plugin("node-resolve")};
import commonjs from ${plugin("commonjs")};
const output = { dir: ${JSON.stringify(out)}, format: "es", entryFileNames: "page.js" };
export default { input: "main.js", output, plugins: [resolve({ browser: true }), commonjs()] };`,
      );
      return node(folder, tool("rollup", "dist", "bin", "rollup"), ["-c"]);
    },
  },
  {
    name: "esbuild",
    warnsWithoutGpu: null,
    async bundle(folder, out) {
      const began = performance.now();
      const { warnings } = await build({
        absWorkingDir: folder,
        entryPoints: { page: "main.js" },
        bundle: true,
        splitting: true,
        minify: true,
        format: "esm",
        outdir: out,
        logLevel: "silent",
      });
      const text = (await formatMessages(warnings, { kind: "warning" })).join("");
      return { text, stdout: "", seconds: (performance.now() - began) / 1000 };
    },
  },
];

/** The scripts that a bundler wrote, by the paths under which a page asks for them. */
const scriptsOf = (out: string): ReadonlyMap<string, Uint8Array> =>
  new Map(
    readdirSync(out, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".js"))
      .map((name) => [`/${name.replaceAll("\\", "/")}`, readFileSync(join(out, name))]),
  );

/** True for a script with gpu.js in it: a method of its own keeps its name when others are shortened. */
const holdsGpuJs = (script: Uint8Array): boolean => Buffer.from(script).includes("createKernelMap");

/** The result of the page of these scripts. */
async function inBrowser(browser: Browser, scripts: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const { url, server } = await serve(scripts);
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) errors.push(message.text());
  });
  try {
    await page.goto(url);
    const handle = await page.waitForFunction("globalThis.result", null, { timeout: 60_000 });
    return JSON.stringify(await handle.jsonValue());
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${errors.join("\n")}`);
  } finally {
    await page.close();
    server.close();
  }
}

/** Checks every bundler, in a project with gpu.js and in one without. */
export async function checkBundlers(
  projects: { readonly withGpu: string; readonly without: string },
  expected: Result,
): Promise<void> {
  const executablePath = findChromium();
  const browser = executablePath ? await chromium.launch({ executablePath, args: [...quiet] }) : null;
  try {
    for (const { name, bundle, warnsWithoutGpu } of bundlers) {
      for (const [has, folder] of Object.entries(projects)) {
        const hasGpu = has === "withGpu";
        await check(`${name}, ${hasGpu ? "with" : "without"} gpu.js`, async () => {
          const out = join(folder, `out-${name}`);
          mkdirSync(out, { recursive: true });
          const outcome = await bundle(folder, out);
          noWarnings(name, outcome, hasGpu ? null : warnsWithoutGpu);
          const scripts = scriptsOf(out);
          const first = scripts.get("/page.js");
          expect(first !== undefined, `no page.js among ${[...scripts.keys()]}`);
          expect(!holdsGpuJs(first), "gpu.js is in the first script");
          expect(
            [...scripts.values()].some(holdsGpuJs) === hasGpu,
            `gpu.js is in ${hasGpu ? "no" : "another"} script`,
          );
          const size = `${(first.length / 1e3).toFixed(0)} kB`;
          if (browser) {
            const text = await inBrowser(browser, scripts);
            const result = checkResult(text, expected, hasGpu ? "computes" : "missing");
            return `${size} at first, in Chromium; ${summary(result)}`;
          }
          const { stdout } = node(folder, join(out, "page.js"));
          return `${size} at first, in Node; ${summary(checkResult(stdout, expected, "any"))}`;
        });
      }
    }
  } finally {
    await browser?.close();
  }
}
