/** @file Takes screenshots of the gallery's pages in a browser. */
import { mkdir, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findChromium, noChromium, quiet } from "./chromium.ts";

/** Saves `PAGE-WIDTH-SCHEME.png` of every page into `folder`; returns a line of summary. */
export async function saveScreenshots(index: string, folder: string): Promise<string> {
  const executablePath = findChromium();
  if (!executablePath) return `screenshots skipped: ${noChromium}`;
  await mkdir(folder, { recursive: true });
  const pages = (await readdir(dirname(index))).filter((file) => file.endsWith(".html"));
  const browser = await chromium.launch({ executablePath, args: [...quiet] });
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1280, 390]) {
        const page = await browser.newPage({ colorScheme, viewport: { width, height: 844 } });
        for (const file of pages) {
          await page.goto(pathToFileURL(join(dirname(index), file)).href);
          const path = join(folder, `${basename(file, ".html")}-${width}-${colorScheme}.png`);
          await page.screenshot({ path, fullPage: true });
        }
        await page.close();
      }
    }
  } finally {
    await browser.close();
  }
  return `${4 * pages.length} screenshots → ${folder}`;
}
