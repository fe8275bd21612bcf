/** @file How the page looks: contrast, width on a phone, without JavaScript; screenshots of eight states. */
import { mkdirSync } from "node:fs";
import type { BrowserContextOptions, Page } from "playwright-core";
import { type Check, expect, type Visit } from "./check.ts";

type Open = (options?: BrowserContextOptions) => Promise<Visit>;

/** Every state that has a picture: its name, how the page is opened, and what is done in it. */
const states: readonly {
  readonly name: string;
  readonly options: BrowserContextOptions;
  readonly act?: (page: Page) => Promise<unknown>;
}[] = (
  [
    ["desktop", { width: 1280, height: 900 }],
    ["phone", { width: 390, height: 844 }],
  ] as const
).flatMap(([device, viewport]) =>
  (["light", "dark"] as const).flatMap((colorScheme) => [
    { name: `${device}-${colorScheme}`, options: { viewport, colorScheme } },
    {
      name: `${device}-${colorScheme}-tour`,
      options: { viewport, colorScheme },
      act: async (page) => {
        await page.getByRole("button", { name: "take the tour" }).click();
        for (let card = 1; card <= 3; card++) {
          await page.locator('.tour button[name="act"]').click();
          await page.locator(".tour .done", { hasText: "done" }).waitFor();
          if (card < 3) await page.locator('.tour button[name="next"]').click();
        }
        await page.waitForTimeout(500);
      },
    },
  ]),
);

/** @param folder where the screenshots are written */
export function lookChecks(open: Open, folder: string): Check[] {
  mkdirSync(folder, { recursive: true });
  return [
    ...states.map(({ name, options, act }) => ({
      name: `lab: ${name}: every text has contrast, and nothing is wider than the screen`,
      async holds() {
        const { page, close } = await open({ ...options, reducedMotion: "reduce" });
        const path = `${folder}/lab-${name}.png`;
        await act?.(page);
        if (act) await page.screenshot({ path, timeout: 0 });
        await seeAll(page);
        if (!act) await pictureOf(page, path);
        const { pale, wide } = await page.evaluate(looks);
        await close();
        expect(pale.length === 0, `${pale.length} pale texts: ${pale.slice(0, 8).join("; ")}`);
        expect(wide.length === 0, `wider than the screen: ${wide.slice(0, 8).join("; ")}`);
        return path;
      },
    })),
    {
      name: "lab: without JavaScript it shows the stored run as pictures and text",
      async holds() {
        const { page, faults, close } = await open({ javaScriptEnabled: false });
        const plots = await page.locator("noscript svg, main svg").count();
        const text = (await page.locator("body").textContent()) ?? "";
        await pictureOf(page, `${folder}/lab-without-javascript.png`);
        await close();
        expect(plots >= 3, `${plots} plots`);
        for (const words of ["B = 0", "What r limits", "Merging costs nothing", "Four bits"])
          expect(text.includes(words), `no "${words}"`);
        expect(faults.length === 0, faults.join("; "));
        return `${plots} plots`;
      },
    },
    {
      name: "lab: every control is reached by the Tab key, and has a name",
      async holds() {
        const { page, close } = await open();
        await page.waitForFunction(() => !document.querySelector(".kept")); // whose ids are the build's
        const nameless = await page.evaluate(namelessControls);
        const missing = new Set(await page.evaluate(panelControls));
        const all = missing.size;
        let presses = 0;
        for (; missing.size > 0 && presses < 600; presses++) {
          await page.keyboard.press("Tab");
          missing.delete(await page.evaluate(focused));
        }
        await close();
        expect(nameless.length === 0, `without a name: ${nameless.join("; ")}`);
        expect(all >= 10 && missing.size === 0, `not reached of ${all}: ${[...missing].join(", ")}`);
        return `${all} controls of the panel within ${presses} presses`;
      },
    },
  ];
}

/** Height in pixels that a picture may have: Chromium repeats the beginning of a page below 8,192. */
const MOST_HEIGHT = 8000;

/** A picture of the page, from its beginning. */
async function pictureOf(page: Page, path: string): Promise<void> {
  const { width } = page.viewportSize() ?? { width: 1280 };
  const height = Math.min(MOST_HEIGHT, Math.floor((await page.locator("body").boundingBox())?.height ?? 0));
  await page.screenshot({ path, clip: { x: 0, y: 0, width, height }, fullPage: true, timeout: 0 });
}

/** Scrolls through the page, so that what is drawn when it is seen is drawn. */
async function seeAll(page: Page): Promise<void> {
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  for (let y = 0; y < height; y += 700) {
    await page.evaluate((to) => scrollTo(0, to), y);
    await page.waitForTimeout(150);
  }
  await page.evaluate(() => scrollTo(0, 0));
  await page.waitForTimeout(300);
}

/** In the page: texts with less contrast than WCAG's AA asks for, and elements that stick out of the screen. */
function looks(): { pale: string[]; wide: string[] } {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true })!;
  type Colour = [number, number, number, number];
  const read = (css: string): Colour => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a]: Colour, [x, y, z]: Colour): Colour => [
    a * r + (1 - a) * x,
    a * g + (1 - a) * y,
    a * b + (1 - a) * z,
    1,
  ];
  const ground = (element: Element | null): Colour => {
    if (!element) return read("Canvas");
    const own = read(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const luminance = ([r, g, b]: Colour): number => {
    const [R, G, B] = [r, g, b].map((part) => {
      const x = part / 255;
      return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const pale = new Set<string>();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent?.trim() ?? "";
    if (!element || text === "" || /^(SCRIPT|STYLE|NOSCRIPT|OPTION|TEXTAREA)$/.test(element.tagName))
      continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest(":disabled, .katex-mathml, annotation")) continue;
    const { color, fill, fontSize, fontWeight } = getComputedStyle(element);
    const back = ground(element);
    const front = over(read(element instanceof SVGElement ? fill : color), back);
    const [light, dark] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = Number.parseFloat(fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5))
      pale.add(
        `${ratio.toFixed(2)} "${text.slice(0, 30)}" in ${element.tagName.toLowerCase()}.${element.className}`,
      );
  }
  const width = document.documentElement.clientWidth;
  const wide = new Set<string>();
  if (document.documentElement.scrollWidth > width) {
    for (const element of document.body.querySelectorAll("*"))
      if (element.getBoundingClientRect().right > width + 1)
        wide.add(
          `${element.tagName.toLowerCase()}.${element.className} to ${element.getBoundingClientRect().right}`,
        );
  }
  return { pale: [...pale], wide: [...wide] };
}

/** In the page: controls that a screen reader could not name. */
function namelessControls(): string[] {
  return [...document.querySelectorAll<HTMLElement>("button, input, select, textarea, a[href]")]
    .filter((element) => {
      const labels = (element as HTMLInputElement).labels?.length ?? 0;
      const own = element.getAttribute("aria-label") ?? element.getAttribute("aria-labelledby");
      return labels === 0 && !own && !element.textContent?.trim() && !element.title;
    })
    .map((element) => element.outerHTML.slice(0, 80));
}

/** In the page: the parts of the panel that can be set. */
const panelControls = (): string[] =>
  [...document.querySelectorAll<HTMLElement>(".panel [data-part]")]
    .filter((element) => element.checkVisibility() && !element.closest("details:not([open])"))
    .map((element) => element.dataset.part ?? "");

/** In the page: the part that has the focus. */
const focused = (): string => document.activeElement?.closest("[data-part]")?.getAttribute("data-part") ?? "";
