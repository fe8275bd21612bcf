/** @file What a visitor brings to the lab, a text, and takes away: programs, adapters, JSON. */
import { readFileSync } from "node:fs";
import { parseSafetensors } from "lowrank/core";
import type { Download, Page } from "playwright-core";
import type { Controls } from "../../../notebooks/lab/engine/types.ts";
import { type Check, expect, rows, stepOnce, unfold, type Visit } from "./check.ts";

const TEXT = Array.from({ length: 120 }, (_, i) => `Gull ${i} saw the grey whale 🐋 near the rocks. `).join(
  "",
);

/** The row of the current run. */
const CURRENT = "tr[aria-current]";

/** Clicks, and reads the `count` files that the page gives. */
async function saved(page: Page, selector: string, count: number): Promise<Map<string, Buffer>> {
  const downloads: Download[] = [];
  const all = new Promise<void>((resolve) => {
    page.on("download", (one) => {
      downloads.push(one);
      if (downloads.length === count) resolve();
    });
  });
  await page.click(selector);
  await all;
  page.removeAllListeners("download");
  const files = downloads.map(
    async (one) => [one.suggestedFilename(), readFileSync(await one.path())] as const,
  );
  return new Map(await Promise.all(files));
}

export function keptChecks(open: () => Promise<Visit>): Check[] {
  return [
    {
      name: "lab: a pasted text is learned, at each speed; the run is taken away as a program, an adapter and JSON",
      async holds() {
        const { page, faults, close } = await open();
        try {
          await unfold(page);
          await page.locator('select[name="target"]').selectOption("own");
          await page.locator("#own-text").fill(TEXT);
          await page.locator("#own-text").press("Tab");
          await stepOnce(page);
          for (const speed of await page.locator('select[name="speed"] option').allTextContents()) {
            await page.locator('select[name="speed"]').selectOption(speed);
            const before = await stepOf(page);
            await page.click('[data-part="start"]');
            await page.waitForFunction(isBeyond, before);
            await page.click('[data-part="start"]'); // Pause
          }
          const steps = await stepOf(page);
          const runs = await rows(page);

          const program = (await saved(page, `${CURRENT} button[aria-label^="Program of"]`, 1)).get("run.ts");
          expect(String(program).includes("my-text.txt"), `the program does not read the text: ${program}`);
          const files = await saved(page, `${CURRENT} button[aria-label^="Adapter of"]`, 2);
          const { tensors } = parseSafetensors(new Uint8Array(files.get("adapter_model.safetensors") ?? []));
          expect(tensors.size === 70, `A and B of 35 matrices: ${tensors.size} tensors`);
          const config = JSON.parse(String(files.get("adapter_config.json")));
          expect(
            config.peft_type === "LORA" && config.r === 4,
            `adapter_config.json: ${JSON.stringify(config)}`,
          );
          const json = JSON.parse(
            String((await saved(page, "#runs .buttons button", 1)).get("lowrank-runs.json")),
          );
          expect(json.runs.length === runs, `${runs} rows, ${json.runs.length} runs`);
          const last = json.runs.find((run: { controls: Controls }) => run.controls.target === "own");
          expect(last?.controls.text === TEXT, "the JSON lacks the pasted text");
          expect(
            last.steps.length >= steps,
            `${steps} steps were shown, ${last.steps.length} are in the JSON`,
          );
          const losses = last.steps.map(({ loss }: { loss: number }) => loss);
          expect(losses.at(-1) < losses[0], `the loss went from ${losses[0]} to ${losses.at(-1)}`);
          expect(faults.length === 0, faults.join("; "));
          return `${last.steps.length} steps, ${tensors.size} tensors`;
        } finally {
          await close();
        }
      },
    },
  ];
}

const stepIn = (text: string | null): number => Number(/Step (\d+) of/.exec(text ?? "")?.[1] ?? 0);
const stepOf = async (page: Page): Promise<number> => stepIn(await page.locator(".where").textContent());
/** In the page. */
const isBeyond = (step: number): boolean =>
  Number(/Step (\d+) of/.exec(document.querySelector(".where")?.textContent ?? "")?.[1]) > step;
