/** @file The page as `npm run lab -- --serve` serves it: cross-origin isolated, with threads, and WebGPU in it. */
import { type Check, expect, stepOnce, unfold, type Visit } from "./check.ts";

/** What the page says, by the device that answers. Threads are as many as the machine has. */
const says = { cpu: /WebAssembly SIMD, \d+ thread/, "gpu:webgl2": /WebGL/, "gpu:webgpu": /WebGPU/ } as const;

export function servedChecks(open: () => Promise<Visit>): Check[] {
  return (["cpu", "gpu:webgl2", "gpu:webgpu"] as const).map((device) => ({
    name: `lab: served: a step on ${device}, and the page says what answers`,
    async holds() {
      const { page, faults, close } = await open();
      expect(await page.evaluate(() => crossOriginIsolated), "the page is not cross-origin isolated");
      await unfold(page);
      await page.locator('select[name="device"]').selectOption(device);
      await stepOnce(page);
      const answers = (await page.locator(".transport .status").textContent()) ?? "";
      await close();
      expect(says[device].test(answers), `it says: ${answers}`);
      expect(faults.length === 0, faults.join("; "));
      return answers;
    },
  }));
}
