/** @file Checks of the lab: sentences, each with a function that throws where the sentence is wrong. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { CaseResult } from "../../conformance/run-cases.ts";

export interface Check {
  readonly name: string;
  /** Throws with what was found instead; returns what there is to say. */
  readonly holds: () => Promise<string | undefined>;
}

/** Runs checks one after the other, those whose name has `only` in it, and tells each as soon as it is known. */
export async function runChecks(
  checks: readonly Check[],
  only: string,
  tell: (result: CaseResult) => void,
): Promise<void> {
  for (const { name, holds } of checks.filter(({ name }) => name.includes(only))) {
    try {
      tell({ path: name, status: "passed", detail: (await holds()) ?? "" });
    } catch (error) {
      tell({ path: name, status: "failed", detail: (error as Error).message });
    }
  }
}

/** @throws Error with `found` unless `isRight` */
export function expect(isRight: boolean, found: string): asserts isRight {
  if (!isRight) throw new Error(found);
}

/** Milliseconds that anything in the page may take: the machine may be busy. */
export const PATIENCE = 600_000;

/** A page of the lab, with what it complained about and what it asked for. */
export interface Visit {
  readonly page: Page;
  /** Errors in the console, uncaught ones, and requests for anything but the page itself. */
  readonly faults: string[];
  close(): Promise<void>;
}

/** Opens the page at `url`, until everything in it is there. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const faults: string[] = [];
  page.on("pageerror", ({ message }) => void faults.push(`uncaught: ${message}`));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const asked = request.url();
    if (!/^(data|blob):/.test(asked) && asked.split("#")[0] !== url.split("#")[0])
      faults.push(`request: ${asked}`);
  });
  await page.goto(url);
  return { page, faults, close: () => context.close() };
}
