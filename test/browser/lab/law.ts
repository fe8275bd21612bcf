/** @file The law that ties the page to the library: the same run in the page and in Node, bit for bit. */
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { createEngine } from "../../../notebooks/lab/engine/engine.ts";
import { type Engine, methodNames } from "../../../notebooks/lab/engine/types.ts";
import { baseFiles, labTexts } from "../../../notebooks/lab/texts/files.ts";
import { packageNames } from "../../../notebooks/support/package-names.ts";
import { type Check, expect } from "./check.ts";
import { type Start, type Trained, train } from "./train.ts";

/** Each method, and a base in 4 bits with double quantization. */
const starts: readonly Start[] = [
  ...methodNames.map((method): Start => ({ method, ...(method === "loftq" && { format: "nf4" }) })),
  { method: "lora", format: "nf4", doubleQuant: true },
];

/** Checks in the page that `open` gives. */
export function lawChecks(open: () => Promise<Page>): Check[] {
  let page: Promise<Page> | null = null;
  let node: Promise<Engine> | null = null;
  return starts.map((start) => ({
    name: `lab: ${start.method}${start.format ? ` on ${start.format}` : ""}: 20 steps in the page are those of Node, and learn`,
    async holds() {
      page ??= open().then(async (opened) => {
        await opened.evaluate(await inside());
        return opened;
      });
      const call = `globalThis.trainHere(${JSON.stringify(start)})`;
      const there = await (await page).evaluate<Trained>(call);
      node ??= engineInNode();
      const here = await train(await node, start);
      expect(
        JSON.stringify(here) === JSON.stringify(there),
        `in the page ${JSON.stringify(there)}; in Node ${JSON.stringify(here)}`,
      );
      expect(there.after < there.before, `held-out loss from ${there.before} to ${there.after}`);
      return `held-out loss ${there.before.toFixed(3)} → ${there.after.toFixed(3)}; ${there.adapter}`;
    },
  }));
}

async function engineInNode(): Promise<Engine> {
  const engine = createEngine();
  const answer = await engine.start(baseFiles(), labTexts(), "cpu");
  if ("refused" in answer) throw new Error(answer.refused);
  return engine;
}

/** The program that the test puts into the page. */
async function inside(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ["test/browser/lab/inside.ts"],
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2022",
    tsconfigRaw: {},
    plugins: [packageNames],
    logLevel: "error",
  });
  return outputFiles[0].text;
}
