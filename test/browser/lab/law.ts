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

/** How a page is opened from its file, and served: then it computes with threads. */
export interface Pages {
  readonly file: () => Promise<Page>;
  readonly served: () => Promise<Page>;
}

export function lawChecks(pages: Pages): Check[] {
  let node: Promise<Engine> | null = null;

  /** One check, in a page that is opened once for all. */
  function checkOf(page: () => Promise<Page>, start: Start, where: string): Check {
    const base = start.format ? ` on ${start.format}` : "";
    return {
      name: `lab: ${start.method}${base}: 20 steps in ${where} are those of Node, and learn`,
      async holds() {
        const call = `globalThis.trainHere(${JSON.stringify(start)})`;
        node ??= engineInNode();
        const [there, here] = await Promise.all([
          page().then((one) => one.evaluate<Trained>(call)),
          node.then((engine) => train(engine, start)),
        ]);
        expect(
          JSON.stringify(here) === JSON.stringify(there),
          `in the page ${JSON.stringify(there)}; in Node ${JSON.stringify(here)}`,
        );
        expect(there.after < there.before, `held-out loss from ${there.before} to ${there.after}`);
        return `held-out loss ${there.before.toFixed(3)} → ${there.after.toFixed(3)}; ${there.adapter}`;
      },
    };
  }

  const [file, served] = [once(pages.file), once(pages.served)];
  return [
    ...starts.map((start) => checkOf(file, start, "the page")),
    checkOf(served, { method: "lora" }, "the served page"),
  ];
}

/** The page with the test's program in it, opened when it is first asked for. */
function once(open: () => Promise<Page>): () => Promise<Page> {
  let page: Promise<Page> | null = null;
  const opened = async (): Promise<Page> => {
    const one = await open();
    await one.evaluate(await inside());
    return one;
  };
  return () => (page ??= opened());
}

async function engineInNode(): Promise<Engine> {
  const engine = createEngine();
  const answer = await engine.start(baseFiles(), labTexts(), "cpu");
  if ("refused" in answer) throw new Error(answer.refused);
  return engine;
}

/** The program that the test puts into the page. */
export async function inside(): Promise<string> {
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
