/**
 * @file Looks at the API reference that `npm run docs` has written: links lead somewhere, no page is wider than a phone,
 * nothing outside the folder is asked for, no script is needed, equations are typeset. Exits with 1 if something is
 * found. The browser's part is skipped where there is none.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { findChromium, noChromium, quiet } from "../../notebooks/support/gallery/chromium.ts";

const PHONE = 390;
const site = resolve(process.argv[2] ?? "out/docs");
const pages = readdirSync(site, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".html"),
);

/** Links to files and headings that are not there, and addresses of other places that a page would load from. */
function deadLinks(): string[] {
  const ids = new Map(
    pages.map((page) => {
      const text = readFileSync(join(site, page), "utf8");
      return [join(site, page), new Set(Array.from(text.matchAll(/ id="([^"]+)"/g), ([, id]) => id))];
    }),
  );
  return pages.flatMap((page) => {
    const text = readFileSync(join(site, page), "utf8");
    return Array.from(text.matchAll(/ (href|src)="([^"]*)"/g)).flatMap(([, kind, link]) => {
      if (/^(https?|data):/.test(link)) return kind === "src" ? [`${page}: loads ${link}`] : [];
      const [path, hash] = link.replace(/\?[^#]*/, "").split("#");
      const target = path === "" ? join(site, page) : join(site, dirname(page), decodeURIComponent(path));
      const isThere =
        existsSync(target) && (!hash || !ids.has(target) || ids.get(target)?.has(decodeURIComponent(hash)));
      return isThere || link === "#" ? [] : [`${page}: ${link} leads nowhere`];
    });
  });
}

/** What a browser on a phone finds wrong, without scripts. */
async function wrongOnPhone(executablePath: string): Promise<string[]> {
  const browser = await chromium.launch({ executablePath, args: [...quiet] });
  const found: string[] = [];
  try {
    for (const javaScriptEnabled of [true, false]) {
      const page = await browser.newPage({ javaScriptEnabled, viewport: { width: PHONE, height: 844 } });
      let here = "";
      page.on("request", (request) => {
        const url = request.url();
        if (!url.startsWith(pathToFileURL(site).href) && !url.startsWith("data:"))
          found.push(`${here}: asks for ${url}`);
      });
      page.on("pageerror", ({ message }) => found.push(`${here}: ${message}`));
      // Pages of a kind are alike: a part of them, and the first ones.
      for (here of pages.filter((name, i) => i % 8 === 0 || /^[^/]*$|^modules/.test(name))) {
        await page.goto(pathToFileURL(join(site, here)).href);
        const { width, shown, faulty } = await page.evaluate(() => ({
          width: document.documentElement.scrollWidth,
          shown: document.querySelector(".col-content")?.checkVisibility() === true,
          faulty: document.querySelectorAll(".katex-error").length,
        }));
        if (width > PHONE) found.push(`${here}: ${width} pixels wide`);
        if (!shown) found.push(`${here}: nothing is shown`);
        if (faulty > 0) found.push(`${here}: ${faulty} equations cannot be typeset`);
      }
      await page.close();
    }
  } finally {
    await browser.close();
  }
  return found;
}

const executablePath = findChromium();
if (!executablePath) console.log(`skipped: the reference in a browser: ${noChromium}`);
const found = [...deadLinks(), ...(executablePath ? await wrongOnPhone(executablePath) : [])];
for (const line of found.slice(0, 40)) console.log(line);
console.log(`${pages.length} pages, ${found.length} faults`);
process.exitCode = found.length > 0 || pages.length < 100 ? 1 : 0;
