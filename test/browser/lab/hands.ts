/** @file The pictures to turn by hand: each slider, choice and button changes what its picture shows. */
import type { ElementHandle, Locator, Page } from "playwright-core";
import { type Check, expect, unfold, type Visit } from "./check.ts";

export function handChecks(open: () => Promise<Visit>): Check[] {
  return [
    {
      name: "lab: every slider, choice and button of the pictures changes its picture, by the keyboard",
      async holds() {
        const { page, faults, close } = await open();
        await showAll(page);
        const toys = page.locator("section.toy");
        const still: string[] = [];
        let tried = 0;
        for (const toy of await toys.all()) {
          await unfold(page);
          for (const control of await toy.locator("input, select, button").elementHandles()) {
            if (!(await control.isVisible()) || !(await control.isEnabled())) continue;
            const before = await shown(toy);
            const name = await use(control);
            tried++;
            if (!(await changes(page, toy, before))) still.push(`${await toy.getAttribute("id")}: ${name}`);
          }
        }
        await close();
        expect(tried > 30, `${tried} controls`);
        expect(still.length === 0, `nothing changes: ${still.join("; ")}`);
        expect(faults.length === 0, faults.join("; "));
        return `${tried} controls`;
      },
    },
  ];
}

/** Scrolls to the end, since sections come when they are near. */
async function showAll(page: Page): Promise<void> {
  for (let at = -1, now = 0; now !== at; ) {
    at = now;
    now = await page.evaluate(() => {
      scrollBy(0, innerHeight);
      return scrollY;
    });
    await page.waitForTimeout(100);
  }
}

/** What a picture shows, without its sliders, which move in any case. */
const shown = (toy: Locator): Promise<string> =>
  toy.evaluate((section) => {
    const copy = section.cloneNode(true) as Element;
    for (const slider of copy.querySelectorAll(".toy-slider, input, select")) slider.remove();
    const canvases = [...section.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL());
    return copy.innerHTML + canvases.join();
  });

/** Moves a control by keys, and returns its name. */
async function use(control: ElementHandle): Promise<string> {
  const { kind, name, atEnd, isChosen } = await control.evaluate((node) => {
    const input = node as HTMLInputElement; // or what has as much of it as is read here
    return {
      kind: input.tagName === "INPUT" ? input.type : input.tagName.toLowerCase(),
      name: (
        input.getAttribute("aria-label") ??
        input.labels?.[0]?.textContent ??
        input.textContent ??
        ""
      ).trim(),
      atEnd:
        (input.type === "range" && input.value === input.max) ||
        (input as unknown as HTMLSelectElement).selectedIndex > 0,
      isChosen: input.checked,
    };
  });
  await control.focus();
  if (kind === "range") await control.press(atEnd ? "ArrowLeft" : "ArrowRight");
  else if (kind === "radio" && isChosen) await control.press("ArrowRight");
  else if (kind === "select") await control.press(atEnd ? "Home" : "End");
  else if (kind === "button") await control.press("Enter");
  else await control.press("Space");
  return `${kind} "${name.slice(0, 40)}"`;
}

/** Whether the picture shows something else, within three seconds. */
async function changes(page: Page, toy: Locator, before: string): Promise<boolean> {
  for (let tries = 0; tries < 30; tries++) {
    if ((await shown(toy)) !== before) return true;
    await page.waitForTimeout(100);
  }
  return false;
}
