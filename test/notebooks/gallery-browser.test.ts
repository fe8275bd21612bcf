/** @file The gallery of the committed notebooks in Chromium, opened as files. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findChromium, noChromium, quiet } from "../../notebooks/support/gallery/chromium.ts";
import { writeGallery } from "../../notebooks/support/gallery/index.ts";

const gallery = suite("gallery in a browser");
const executablePath = findChromium();
const PHONE = 390;

let root: string;
let site: URL;
let names: string[];
let browser: Browser;

gallery.before(async () => {
  if (!executablePath) return;
  root = mkdtempSync(join(tmpdir(), "lowrank-gallery-"));
  const notebooks = readdirSync("notebooks").filter((file) => file.endsWith(".ipynb"));
  const index = await writeGallery({
    notebooks: notebooks.map((file) => join("notebooks", file)),
    out: join(root, "site"),
  });
  site = pathToFileURL(`${dirname(index)}/`);
  names = readdirSync(dirname(index)).filter((file) => file.endsWith(".html"));
  browser = await chromium.launch({ executablePath, args: [...quiet] });
  await openAll();
});
gallery.after(async () => {
  await browser?.close();
  if (root) rmSync(root, { recursive: true });
});

interface Open {
  readonly page: Page;
  readonly name: string;
  readonly requests: readonly string[];
  readonly errors: readonly string[];
}
const opened: Open[] = [];

/** Every page of the site, on a phone, in the light and in the dark. */
async function openAll(): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ colorScheme, viewport: { width: PHONE, height: 844 } });
    for (const file of names) {
      const page = await context.newPage();
      await page.addInitScript("globalThis.__name = (f) => f"); // tsx names the functions that evaluate sends
      const requests: string[] = [];
      const errors: string[] = [];
      page.on("request", (request) => requests.push(request.url()));
      page.on("requestfailed", (request) => errors.push(request.url()));
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      await page.goto(new URL(file, site).href);
      opened.push({ page, name: `${file}, ${colorScheme}`, requests, errors });
    }
  }
}

/** A law that every page keeps; `look` says what breaks it. */
const everyPage = (law: string, look: Look): void => pages(law, look, () => true);

/** A law of what all pages have from one template, looked at on the two shortest: laying out a long one takes seconds. */
const shortPages = (law: string, look: Look): void =>
  pages(law, look, (name) => /^(index|tour)\./.test(name));

type Look = (page: Page, seen: Open) => Promise<readonly unknown[]>;

function pages(law: string, look: Look, isMeant: (name: string) => boolean): void {
  if (!executablePath) {
    console.log(`skipped: ${law}: ${noChromium}`);
    gallery.skip(law);
    return;
  }
  gallery(law, async () => {
    const meant = opened.filter(({ name }) => isMeant(name));
    assert.ok(meant.length > 0);
    for (const one of meant) assert.equal(await look(one.page, one), [], one.name);
  });
}

everyPage("nothing is asked for outside the folder, and nothing fails", async (_, { requests, errors }) => {
  assert.ok(requests.length > 2, "the page, its style, a font");
  return [...requests.filter((url) => !url.startsWith(site.href) && !url.startsWith("data:")), ...errors];
});

everyPage("a phone scrolls it in one direction", async (page) => {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  return width > PHONE ? [`${width} pixels wide`] : [];
});

everyPage("equations are typeset", (page) =>
  page.evaluate(() => {
    const wrong = Array.from(document.querySelectorAll(".katex-error"), ({ textContent }) => textContent);
    const prose = document.body.cloneNode(true) as HTMLElement;
    for (const element of prose.querySelectorAll("pre, code, .katex, svg, style")) element.remove();
    return [...wrong, ...((prose.textContent ?? "").match(/\$[^$\n]+\$/g) ?? [])];
  }),
);

everyPage("every picture has a size and a name", (page) =>
  page.evaluate(() =>
    Array.from(document.querySelectorAll("body svg:not(.katex svg), img"))
      .filter((picture) => {
        const { width, height } = picture.getBoundingClientRect();
        const named = picture.getAttribute("aria-label") || picture.closest("[aria-hidden]");
        return width < 100 || height < 30 || !named;
      })
      .map(({ outerHTML }) => outerHTML.slice(0, 200)),
  ),
);

everyPage("every link inside the site leads somewhere", async (page) => {
  const links = await page.evaluate(() => Array.from(document.links, ({ href }) => href));
  const dead = [];
  for (const link of new Set(links)) {
    if (!link.startsWith("file:")) continue;
    const { href, hash } = new URL(link);
    const here = href.split("#")[0] === page.url();
    const found = here
      ? await page.evaluate((id) => document.getElementById(id) !== null, decodeURIComponent(hash.slice(1)))
      : existsSync(fileURLToPath(href)) && href.startsWith(site.href);
    if (!found) dead.push(link);
  }
  return dead;
});

everyPage("all text stands out from its ground by 4.5 to 1 at least", (page) =>
  page.evaluate(() => {
    const luminance = (colour: readonly number[]): number => {
      const [r, g, b] = colour.map((part) =>
        part <= 10.31 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const rgba = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
    const grounds = new Map<Element, number[]>();
    const ground = (element: Element): number[] => {
      const known = grounds.get(element);
      if (known) return known;
      const [r, g, b, alpha = 1] = rgba(getComputedStyle(element).backgroundColor);
      const found = alpha > 0.99 || !element.parentElement ? [r, g, b] : ground(element.parentElement);
      grounds.set(element, found);
      return found;
    };
    const poor = new Set<string>();
    for (const element of document.body.querySelectorAll("*")) {
      const text = Array.from(element.childNodes, (node) => (node.nodeType === 3 ? node.textContent : ""))
        .join("")
        .trim();
      if (text === "" || !element.checkVisibility() || element.closest(".katex-mathml, title, style"))
        continue;
      const inPlot = element.closest("svg text");
      if (inPlot?.closest("[fill='white'], [fill='black']") || inPlot?.getAttribute("fill")) continue; // on a coloured cell
      if (element.matches("tspan[fill]")) continue; // a legend's dot
      const style = getComputedStyle(element);
      const [a, b] = [rgba(inPlot ? style.fill : style.color), ground(element)].map(luminance);
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5)
        poor.add(`${contrast.toFixed(2)} ${element.tagName}.${element.getAttribute("class")} ${text}`);
    }
    return [...poor].slice(0, 10);
  }),
);

shortPages("the dark has another ground than the light", async (page) => {
  const before = await ground(page);
  await page.emulateMedia({ colorScheme: "light" });
  const light = await ground(page);
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground(page);
  return light !== dark && [light, dark].includes(before) ? [] : [light, dark];
});

shortPages("the keyboard's focus is visible, and code can be hidden", async (page) => {
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
  assert.is.not(outline, "none");
  const code = page.locator("details.code");
  if ((await code.count()) === 0) return [];
  assert.ok(await code.first().isVisible());
  await page.getByLabel("Code", { exact: true }).uncheck();
  return (await code.first().isVisible()) ? ["code is still there"] : [];
});

function ground(page: Page): Promise<string> {
  return page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
}

gallery.run();
