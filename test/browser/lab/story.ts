/** @file The page as a visitor uses it: its controls, its tour, its refusals. */
import type { Page } from "playwright-core";
import { type Check, expect, PATIENCE, rows, stepOnce, unfold, type Visit } from "./check.ts";

const saidIn = (page: Page): Promise<string> =>
  page.locator(".said:not([hidden])").allTextContents().then(String);

const textOf = async (page: Page, selector: string): Promise<string> =>
  (await page.locator(selector).first().textContent()) ?? "";

/** Writes a number into the box of a control. */
async function write(page: Page, part: string, value: string): Promise<void> {
  const box = page.locator(`input[name="${part}"]`);
  await box.fill(value);
  await box.press("Tab");
}

/** Waits until the current run has made a step that the page shows. */
const stepped = (page: Page, step: number): Promise<unknown> =>
  page.waitForFunction(
    (wanted) =>
      Number(/Step (\d+) of/.exec(document.querySelector(".where")?.textContent ?? "")?.[1]) >= wanted,
    step,
  );

/** In one page, one after the other. */
export function storyChecks(open: () => Promise<Visit>): Check[] {
  let opened: Promise<Visit> | null = null;
  const visit = (): Promise<Visit> => (opened ??= open());
  const pageOf = async (): Promise<Page> => (await visit()).page;

  return [
    {
      name: "lab: the stored run is drawn before anything is computed; Step makes the first step",
      async holds() {
        const page = await pageOf();
        const paint = await page.evaluate(firstPaint);
        expect((await page.locator(".plotted svg").count()) > 0, "no plot");
        const clicked = Date.now();
        await page.click('[data-part="step"]');
        await stepped(page, 1);
        return `first paint after ${Math.round(paint)} ms, first step ${Date.now() - clicked} ms after the click`;
      },
    },
    {
      name: "lab: every control changes the address, and none is refused",
      async holds() {
        const page = await pageOf();
        await unfold(page);
        let tried = 0;
        for (const part of ["target", "method", "place", "format"]) {
          const select = page.locator(`select[name="${part}"]`);
          const first = await select.inputValue();
          for (const value of await select.locator("option").evaluateAll(valuesOf)) {
            if (value === "own" || value === "loftq") continue; // these need something else as well
            await select.selectOption(value);
            const hash = new URLSearchParams(new URL(page.url()).hash.slice(1));
            expect(hash.get(part) === value, `${part}: ${value}: the address is ${page.url()}`);
            tried++;
          }
          await select.selectOption(first);
        }
        await page.locator('select[name="format"]').selectOption("nf4");
        await page.locator('input[name="double"]').check();
        await write(page, "block", "128");
        const numbers = { rank: "3", alpha: "6", rate: "0.004", seed: "7", steps: "40" };
        for (const [part, value] of Object.entries(numbers)) await write(page, part, value);
        const hash = new URLSearchParams(new URL(page.url()).hash.slice(1));
        const wanted = { ...numbers, blockSize: "128", doubleQuant: "true", format: "nf4" };
        for (const [part, value] of Object.entries(wanted))
          expect(hash.get(part) === value, `${part}: ${value}: the address is ${page.url()}`);
        await page.click('[data-part="step"]');
        await stepped(page, 1);
        expect((await saidIn(page)) === "", await saidIn(page));
        return `${tried} choices and ${Object.keys(wanted).length} numbers`;
      },
    },
    {
      name: "lab: an address opens the page with its controls",
      async holds() {
        const { page, close } = await open();
        const address = page.url().split("#")[0];
        await page.goto(`${address}#method=dora&rank=3`); // while the program begins
        const isSet = page.waitForFunction(
          () =>
            document.querySelector<HTMLInputElement>('input[name="rank"]')?.value === "3" &&
            document.querySelector<HTMLSelectElement>('select[name="method"]')?.value === "dora",
          undefined,
          { timeout: 20_000 },
        );
        await isSet.finally(close); // the markup is there before the program that reads the address
        return undefined;
      },
    },
    {
      name: "lab: what cannot be is refused with a sentence, and earlier runs stay",
      async holds() {
        const page = await pageOf();
        const before = await rows(page);
        const sentences: string[] = [];
        const refuses = async (part: string, value: string, back: string): Promise<void> => {
          await write(page, part, value);
          await page.click('[data-part="step"]');
          await page.waitForSelector(".said.refused:not([hidden])");
          sentences.push(await saidIn(page));
          await write(page, part, back);
          await page.waitForSelector(".said.refused", { state: "hidden" });
        };
        await refuses("rank", "0", "4");
        await refuses("rank", "10000", "4");
        await refuses("rank", "", "4");
        await page.locator('select[name="target"]').selectOption("own");
        for (const text of ["", "x", "🦙", "x".repeat(5_000_000)]) {
          await page.locator("#own-text").evaluate((box: HTMLTextAreaElement, value) => {
            box.value = value;
            for (const type of ["input", "change"]) box.dispatchEvent(new Event(type, { bubbles: true }));
          }, text);
          await page.click('[data-part="step"]');
          await page.waitForSelector(".said.refused:not([hidden])");
          sentences.push(await saidIn(page));
        }
        await page.locator('select[name="target"]').selectOption("moby-dick");
        for (const sentence of sentences) expect(/^[^.]{8,}\./.test(sentence), `not a sentence: ${sentence}`);
        expect((await rows(page)) >= before, `${before} runs before, ${await rows(page)} after`);
        return sentences.join(" | ").slice(0, 400);
      },
    },
    {
      name: "lab: a learning rate of 1e9 diverges; the page says so, and goes on",
      async holds() {
        const page = await pageOf();
        const before = await rows(page);
        await page.locator('select[name="format"]').selectOption("float32");
        await write(page, "rate", "1e9");
        await page.click('[data-part="start"]');
        await page.waitForSelector(".said.refused:not([hidden])");
        const sentence = await saidIn(page);
        await write(page, "rate", "0.01");
        await page.click('[data-part="step"]');
        await stepped(page, 1);
        expect((await rows(page)) >= before, `${before} runs before, ${await rows(page)} after`);
        return sentence;
      },
    },
    {
      name: "lab: the tour goes to its end: two equal texts, steps, ranks, 4 bits, merged, unmerged byte for byte",
      async holds() {
        const page = await pageOf();
        await page.getByRole("button", { name: "take the tour" }).click();
        const cards = Number(/of (\d+)/.exec(await textOf(page, ".tour header"))?.[1]);
        const seen: string[] = [];
        for (let card = 1; card <= cards; card++) {
          await page.locator('.tour button[name="act"]').click();
          const done = page.locator(".tour .done", { hasText: "done" });
          await done.waitFor({ timeout: PATIENCE }).catch(async () => {
            throw new Error(
              `card ${card}: ${await textOf(page, ".tour p")}: not done; ${await saidIn(page)}`,
            );
          });
          seen.push(await textOf(page, ".tour .shows"));
          await page.locator('.tour button[name="next"]').click();
        }
        await page.waitForSelector(".tour", { state: "detached" });
        const questions = await page.locator(".answers summary").allTextContents();
        expect(questions.length === 3, questions.join(" "));
        await page.locator(".answers button").click();
        // What the three questions are about has happened: A's first gradient is zero, r = 4 holds, nothing is lost.
        for (const wanted of [
          /^Gradient of A: 0\. Gradient of B: 0\.\d*[1-9]/,
          /^Gradient of A: 0\.\d*[1-9]/,
          /in every one of the 35 matrices: 4\.$/,
        ])
          expect(
            seen.some((text) => wanted.test(text)),
            `${wanted}: ${seen.join(" ")}`,
          );
        expect(
          seen.some((text) => text === "Every byte of the base is what it was."),
          seen.join(" "),
        );
        return `${cards} cards, ${await rows(page)} runs; ${seen.join(" ")}`;
      },
    },
    {
      name: "lab: no error in the console, and no request that leaves the folder",
      async holds() {
        const { page, faults } = await visit();
        await page.click('[data-part="reset"]'); // the tour leaves a merged run
        await stepOnce(page); // so that the worker has started, whichever checks ran before
        expect(faults.length === 0, faults.join("; "));
        return undefined;
      },
    },
  ];
}

/** In the page: milliseconds from its opening to its first text or picture. */
const firstPaint = (): Promise<number> =>
  new Promise((resolve) => {
    new PerformanceObserver((list) => {
      const painted = list.getEntriesByName("first-contentful-paint").at(0);
      if (painted) resolve(painted.startTime);
    }).observe({ type: "paint", buffered: true });
  });

const valuesOf = (options: (HTMLElement | SVGElement)[]): string[] =>
  options.map((option) => (option as HTMLOptionElement).value);
