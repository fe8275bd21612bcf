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
export const PATIENCE = 240_000;

export interface VisitOptions extends BrowserContextOptions {
  /** A program that the page's workers run before their own, which makes them worse than they are. */
  readonly inWorker?: string;
}

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
  { inWorker, ...options }: VisitOptions = {},
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
  await page.addInitScript("globalThis.__name = (one) => one"); // what the test's own functions are compiled to call
  if (inWorker !== undefined) await page.addInitScript(spoilWorkers, inWorker);
  await page.goto(url);
  return { page, faults, close: () => context.close() };
}

/** In the page: puts `program` before those of workers, and keeps the workers as `globalThis.workers`. */
function spoilWorkers(program: string): void {
  const address = URL.createObjectURL;
  URL.createObjectURL = (blob) =>
    address.call(URL, new Blob([program, blob as Blob], { type: "text/javascript" }));
  const workers: Worker[] = [];
  const Kept = new Proxy(Worker, {
    construct(target, of) {
      const worker = Reflect.construct(target, of) as Worker;
      workers.push(worker);
      return worker;
    },
  });
  Object.assign(globalThis, { Worker: Kept, workers });
}

/** Clicks Step, and waits until the page shows that step or a refusal. @throws Error with the refusal */
export async function stepOnce(page: Page): Promise<void> {
  const before = await page.locator(".where").textContent();
  await page.click('[data-part="step"]');
  await page.waitForFunction((earlier) => {
    const now = document.querySelector(".where")?.textContent ?? "";
    return (
      document.querySelector(".said.refused:not([hidden])") || (now !== earlier && /^\s*Step [1-9]/.test(now))
    );
  }, before);
  const said = await refusalIn(page);
  expect(said === "", said);
}

/** What the page refuses now; "" when nothing. */
export const refusalIn = async (page: Page): Promise<string> =>
  (await page.locator(".said.refused:not([hidden])").allTextContents()).join(" ");

/** Waits for a refusal. */
export async function refused(page: Page): Promise<string> {
  await page.waitForSelector(".said.refused:not([hidden])");
  return refusalIn(page);
}

/** Rows of the table of runs. */
export const rows = (page: Page): Promise<number> => page.locator("table.runs tbody tr").count();

/** Opens what is folded. */
export const unfold = (page: Page): Promise<void> =>
  page.evaluate(() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
