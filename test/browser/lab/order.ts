/** @file What a visitor does in an unlucky order, or asks for while something else is on its way. */
import type { Page } from "playwright-core";
import {
  type Check,
  expect,
  refusalIn,
  refused,
  rows,
  stepOnce,
  unfold,
  type Visit,
  type VisitOptions,
} from "./check.ts";
import { AT_WILL, tell } from "./misfortunes.ts";

/** Sets controls by a link, as if the visitor had followed it. */
const link = (page: Page, controls: string): Promise<void> =>
  page.evaluate((hash) => {
    location.hash = hash;
  }, controls);

/** Presses buttons of the panel, one right after the other. */
const press = (page: Page, ...parts: string[]): Promise<void> =>
  page.evaluate((all) => {
    for (const part of all) document.querySelector<HTMLButtonElement>(`button[data-part="${part}"]`)?.click();
  }, parts);

const where = async (page: Page): Promise<string> => (await page.locator(".where").textContent()) ?? "";

/** Waits until the page is at a step, or beyond. */
const reached = (page: Page, step: number): Promise<unknown> =>
  page.waitForFunction((wanted) => {
    const [, at] = /^\s*Step (\d+)/.exec(document.querySelector(".where")?.textContent ?? "") ?? [];
    return at !== undefined && Number(at) >= wanted;
  }, step);

/** Waits until the run in view is at this step. */
const at = (page: Page, step: number): Promise<unknown> =>
  page.waitForFunction(
    (wanted) => document.querySelector(".where")?.textContent?.trim().startsWith(`Step ${wanted} `),
    step,
  );

/** The names in the table of runs, and the one in view with a star. */
const names = (page: Page): Promise<string[]> =>
  page.locator("table.runs tbody tr").evaluateAll((all) =>
    all.map((row) => {
      const name = row.querySelector("button")?.textContent?.trim() ?? "";
      return row.hasAttribute("aria-current") ? `${name}*` : name;
    }),
  );

/** Trains a run of these controls for a step. */
async function train(page: Page, controls: string): Promise<void> {
  await link(page, controls);
  await at(page, 0);
  await press(page, "step");
  await at(page, 1);
}

const LORA = "#method=lora";
const choose = (page: Page, name: string): Promise<void> =>
  page.locator("table.runs").getByRole("button", { name, exact: true }).click();

export function orderChecks(open: (options?: VisitOptions) => Promise<Visit>): Check[] {
  /** A check in a page of its own, in which nothing may go wrong. */
  const check = (
    name: string,
    act: (page: Page) => Promise<string | undefined>,
    options?: VisitOptions,
  ): Check => ({
    name: `lab: ${name}`,
    async holds() {
      const { page, faults, close } = await open(options);
      try {
        await unfold(page);
        const found = await act(page);
        expect(faults.length === 0 || options !== undefined, faults.join("; "));
        return found;
      } finally {
        await close();
      }
    },
  });

  return [
    check(
      "what is pressed right after Reset is meant for the new run, also where the old one is merged",
      async (page) => {
        for (const isMerged of [false, true]) {
          for (let step = 0; step < 2; step++) await stepOnce(page);
          if (isMerged) {
            await press(page, "merge-button");
            await page.waitForSelector('[data-part="unmerge-button"]:enabled');
          }
          await press(page, "reset", "step");
          await at(page, 1);
          expect((await refusalIn(page)) === "", await refusalIn(page));
          await press(page, "reset");
          await at(page, 0);
        }
        return undefined;
      },
    ),
    check(
      "after a worker has failed, the rows of its runs are only numbers: removing one takes no model away",
      async (page) => {
        await press(page, "step");
        await reached(page, 1);
        await tell(page, "fail");
        await press(page, "step");
        await refused(page);
        await press(page, "step");
        await page.waitForFunction(() => !document.querySelector(".said.refused:not([hidden])"));
        await reached(page, 1);
        await train(page, `${LORA}&rank=8`);
        await tell(page, "fail");
        await press(page, "step");
        await refused(page);
        await train(page, `${LORA}&rank=2`);
        await page
          .getByRole("button", { name: /^Remove LoRA/ })
          .first()
          .click();
        await press(page, "step");
        await reached(page, 2);
        expect((await refusalIn(page)) === "", await refusalIn(page));
        return (await names(page)).join(" | ");
      },
      { inWorker: AT_WILL },
    ),
    check(
      "a run that is reset takes the model of no other; a fourth says whose model it took",
      async (page) => {
        for (const rank of [1, 2, 3]) await train(page, `${LORA}&rank=${rank}`);
        await press(page, "reset");
        await at(page, 0);
        await stepOnce(page);
        await choose(page, "LoRA, r = 1");
        await press(page, "step");
        await reached(page, 2);
        await train(page, `${LORA}&rank=5`);
        const first = page.locator("table.runs tr", { hasText: "LoRA, r = 1" });
        const said = (await first.textContent()) ?? "";
        expect(/keeps its numbers/.test(said), `its row says: ${said}`);
        const before = await names(page);
        await choose(page, "LoRA, r = 1");
        await press(page, "merge-button");
        const refusal = await refused(page);
        expect((await rows(page)) === before.length, `${before} became ${await names(page)}`);
        return refusal;
      },
    ),
    check(
      "a control that is changed while a run trains: the run of the new controls trains on",
      async (page) => {
        await press(page, "start");
        await reached(page, 2);
        for (const rank of [5, 6, 7]) await link(page, `${LORA}&rank=${rank}`);
        await page.waitForFunction(() =>
          [...document.querySelectorAll("table.runs [aria-current] button")].some(({ textContent }) =>
            textContent?.includes("r = 7"),
          ),
        );
        await reached(page, 3);
        await press(page, "start"); // Pause
        const found = await names(page);
        expect(!found.some((name) => /r = [56]/.test(name)), found.join(" | "));
        return found.join(" | ");
      },
    ),
    check("what is asked while the model loads is done: a step, and a text continued", async (page) => {
      await press(page, "step");
      await page.locator('input[name="prompt"]').fill("The sea ");
      await page.getByRole("button", { name: "Continue it" }).click();
      await reached(page, 1);
      await page.waitForFunction(() => document.querySelectorAll(".pair").length === 2);
      await link(page, `${LORA}&rank=2`);
      await page.waitForFunction(() => document.querySelectorAll(".pair").length === 1);
      return where(page);
    }),
    check(
      "a row that is chosen while a run is on its way stays chosen, and Step is meant for it",
      async (page) => {
        for (const rank of [1, 2]) await train(page, `${LORA}&rank=${rank}`);
        await page.evaluate(() => {
          document.querySelector<HTMLButtonElement>('button[data-part="reset"]')?.click();
          const row = [...document.querySelectorAll("table.runs button")].find(
            ({ textContent }) => textContent?.trim() === "LoRA, r = 1",
          );
          (row as HTMLButtonElement).click();
          document.querySelector<HTMLButtonElement>('button[data-part="step"]')?.click();
        });
        await reached(page, 2);
        const found = await names(page);
        expect(found.includes("LoRA, r = 1*"), found.join(" | "));
        return found.join(" | ");
      },
    ),
    check(
      "two pasted texts are two runs with two names, and a text stays when another row is chosen",
      async (page) => {
        await page.locator('select[name="target"]').selectOption("own");
        for (const text of ["All work and no play. ", "The ship went north. "]) {
          await page.locator("#own-text").fill(text.repeat(400));
          await page.locator("#own-text").blur();
          await at(page, 0);
          await stepOnce(page);
        }
        const found = await names(page);
        expect(new Set(found).size === found.length, found.join(" | "));
        await choose(page, "LoRA, r = 4 (recorded)");
        await page.locator('select[name="target"]').selectOption("own");
        const kept = await page.locator("#own-text").inputValue();
        expect(kept.startsWith("The ship went north."), `the box has ${kept.slice(0, 40)}`);
        return found.join(" | ");
      },
    ),
    check(
      "a link with a method that there is not: a sentence, and the next choice mends it",
      async (page) => {
        await link(page, "#method=lora-plus");
        const sentence = await refused(page);
        await page.locator('select[name="method"]').selectOption("dora");
        await stepOnce(page);
        return sentence;
      },
    ),
    check("a sentence goes with its cause: unmerged, or another row chosen", async (page) => {
      await train(page, `${LORA}&rank=2`);
      await press(page, "merge-button");
      await page.waitForSelector('[data-part="unmerge-button"]:enabled');
      await press(page, "step");
      await refused(page);
      await press(page, "unmerge-button");
      await page.waitForSelector('[data-part="merge-button"]:enabled');
      expect((await refusalIn(page)) === "", await refusalIn(page));
      await link(page, `${LORA}&rank=0`);
      await refused(page);
      await choose(page, "LoRA, r = 2");
      expect((await refusalIn(page)) === "", await refusalIn(page));
      return undefined;
    }),
    check("a browser that cannot unpack the model: a sentence, and the stored run stays", async (page) => {
      await page.evaluate(() => Object.assign(globalThis, { DecompressionStream: undefined }));
      await press(page, "start");
      const sentence = await refused(page);
      await page.waitForFunction(
        () => document.querySelector('[data-part="start"]')?.textContent?.trim() === "Start",
      );
      expect((await rows(page)) >= 1, "no run is left");
      return sentence;
    }),
    check(
      "back to an address without controls sets the first ones; speed and device are in it, too",
      async (page) => {
        await page.evaluate(() => history.pushState(null, "", location.href.split("#")[0]));
        await link(page, `${LORA}&rank=8&rest=1000`);
        await page.waitForFunction(
          () => document.querySelector<HTMLSelectElement>('select[name="speed"]')?.value === "1000",
        );
        await page.goBack();
        await page.waitForFunction(
          () => document.querySelector<HTMLInputElement>('input[name="rank"]')?.value === "4",
        );
        await page.locator('select[name="speed"]').selectOption({ label: "5 steps a second" });
        expect(page.url().includes("rest=200"), page.url());
        return undefined;
      },
    ),
    check("the tour is told the same whatever was set before, and stops when it is closed", async (page) => {
      await train(page, "#method=dora&rank=2&steps=10&rate=0.01");
      await page.getByRole("button", { name: "take the tour" }).click();
      const card = page.locator(".tour");
      for (let at = 1; at < 9; at++) await card.locator('button[name="next"]').click();
      const act = card.locator('button[name="act"]');
      await act.click();
      await act.click(); // as a visitor who is in a hurry
      await card.locator(".done", { hasText: "done" }).waitFor();
      const merged = await where(page);
      expect(/^\s*Step 10 of 100/.test(merged), `merged at: ${merged}`);
      await card.locator('button[name="back"]').click();
      await act.click();
      await page.getByRole("button", { name: "End the tour" }).click();
      await page.waitForSelector(".tour", { state: "detached" });
      return merged;
    }),
    check(
      "narrow screens: the tour's card covers no sentence of the panel, and nothing is wider",
      async (page) => {
        const found: string[] = [];
        await page.getByRole("button", { name: "take the tour" }).click();
        for (const [width, height] of [
          [390, 844],
          [320, 640],
          [640, 450],
        ]) {
          await page.setViewportSize({ width, height });
          await link(page, `${LORA}&rank=0`);
          await refused(page);
          await page.waitForTimeout(300);
          const [card, said] = await Promise.all(
            [".tour", ".said.refused"].map((part) => page.locator(part).boundingBox()),
          );
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          if (!card || !said || card.y < 0 || card.y + card.height > said.y)
            found.push(`${width} × ${height}: covered`);
          if (wide > width) found.push(`${width} × ${height}: ${wide} px wide`);
          await link(page, `${LORA}&rank=4`);
        }
        expect(found.length === 0, found.join("; "));
        return undefined;
      },
    ),
  ];
}
