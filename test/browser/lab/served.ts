/** @file The page as `npm run lab -- --serve` serves it: cross-origin isolated, with threads, and WebGPU in it. */
import { type Check, expect, type Visit } from "./check.ts";

export function servedChecks(open: () => Promise<Visit>): Check[] {
  return (["cpu", "gpu:webgl2", "gpu:webgpu"] as const).map((device) => ({
    name: `lab: served: a step on ${device}, and the page says what answers`,
    async holds() {
      const { page, faults, close } = await open();
      expect(await page.evaluate(() => crossOriginIsolated), "the page is not cross-origin isolated");
      await page.evaluate(() => {
        for (const fold of document.querySelectorAll("details")) fold.open = true;
      });
      await page.locator('select[name="device"]').selectOption(device);
      await page.click('[data-part="step"]');
      await page.waitForFunction(
        () =>
          document.querySelector(".said.refused:not([hidden])") ||
          /^\s*Step [1-9]/.test(document.querySelector(".where")?.textContent ?? ""),
      );
      const refused = await page.locator(".said.refused:not([hidden])").allTextContents();
      const answers = (await page.locator('[data-part="answers"]').allTextContents()).join(" ");
      await close();
      expect(refused.length === 0, refused.join(" "));
      expect(answers !== "", "the page does not say which device answers");
      expect(faults.length === 0, faults.join("; "));
      return answers;
    },
  }));
}
