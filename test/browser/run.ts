/** @file `npm run test:browser`: the library in headless Chromium; see `usage`. */

import { parseArgs } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { findChromium, noChromium, quiet } from "../../notebooks/support/gallery/chromium.ts";
import type { CaseResult } from "../conformance/run-cases.ts";
import { bundlePage } from "./bundle.ts";
import { checkLab } from "./lab/index.ts";
import type { PageResult } from "./on-device.ts";
import { STRICT_PAGE, serve } from "./server.ts";

const usage = `npm run test:browser -- [--only TEXT] [DEVICE ...] [lab]

Bundles the library for browsers, minified, and runs in headless Chromium a self-check of matmul, the
laws of gpu devices and the conformance cases, on each DEVICE (default: cpu, gpu:webgl2, and in a worker of
the page gpu:webgpu), and what auto does in a page that forbids WebAssembly; then the live lab, from its file
and served: every control, its tour, each method for 20 steps, which must be those of Node bit for bit.
Screenshots of the lab are written to out/screenshots.

  --only TEXT   only cases and checks whose name holds TEXT
  --help        this text

The browser is the one that CHROMIUM names, or the first found in the usual places; without one, everything
is skipped. Exits with 1 when a case fails.`;

/** WebGL 2 and WebGPU on SwiftShader, so that results are the same everywhere. */
const flags = [
  ...quiet,
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

const marks = { passed: "✓", failed: "✗", skipped: "-" } as const;

const TIME_LIMIT = 240_000; // ms, for a device

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const executablePath = findChromium();
  if (!executablePath) {
    console.log(`skipped: ${noChromium}\n\n0 passed, 0 failed, 1 skipped`);
    return 0;
  }
  const { scripts } = await bundlePage("test/browser/page.ts", {
    worker: "test/browser/worker.ts",
    "gpu-worker": "test/browser/gpu-worker.ts",
  });
  const { url, server } = await serve(scripts, "test/oracles");
  const totals = { passed: 0, failed: 0, skipped: 0 };
  const tell = ({ path, status, detail }: CaseResult): void => {
    totals[status]++;
    console.log(`${marks[status]} ${path}  ${detail}`);
  };
  let browser: Browser | null = null;
  try {
    browser = await chromium.launch({ executablePath, args: flags });
    const started = browser;
    const report = (title: string, { adapter, results, kernels }: PageResult): void => {
      console.log(`\n${title}: ${adapter}`);
      results.forEach(tell);
      console.log("kernels that ran:");
      for (const [kernel, count] of Object.entries(kernels)) console.log(`  ${kernel}  ${count}`);
    };
    const chosen = positionals.length > 0 ? positionals : ["cpu", "gpu:webgl2", "gpu:webgpu", "lab"];
    const devices = chosen.filter((name) => name !== "lab");
    for (const device of devices) {
      const run = device === "gpu:webgpu" ? "runInWorker" : "runOn";
      const call = `globalThis.${run}(${JSON.stringify(device)}, ${JSON.stringify(values.only ?? "")})`;
      report(`device ${device}`, await resultOf(started, url, call, device));
    }
    if (devices.length > 0) {
      const where = "a page that forbids WebAssembly";
      report(where, await resultOf(started, url + STRICT_PAGE, "globalThis.runStrict()", where));
    }
    if (chosen.includes("lab")) {
      console.log("\nthe live lab");
      await checkLab(started, values.only ?? "", tell);
    }
  } finally {
    await browser?.close();
    server.close();
  }
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  return totals.failed > 0 ? 1 : 0;
}

/** What `call` gives in a page of its own. @throws when the page fails before it has given anything */
async function resultOf(browser: Browser, url: string, call: string, what: string): Promise<PageResult> {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") console.error(`page: ${message.text()}`);
  });
  try {
    await page.goto(url);
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`no result within ${TIME_LIMIT / 1000} s`)), TIME_LIMIT).unref();
    });
    return await Promise.race([page.evaluate<PageResult>(call), late]);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  } finally {
    await page.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`test:browser: ${(error as Error).message}`);
  process.exitCode = 1;
}
