/** @file The page as `npm run lab -- --serve` serves it: cross-origin isolated, with threads, and WebGPU in its worker. */
import { type Check, expect, stepOnce, unfold, type Visit } from "./check.ts";
import { inside } from "./law.ts";

export function servedChecks(open: () => Promise<Visit>): Check[] {
  return [
    {
      name: "lab: served: a step on cpu with threads, and the page says what answers",
      async holds() {
        const { page, faults, close } = await open();
        expect(await page.evaluate(() => crossOriginIsolated), "the page is not cross-origin isolated");
        await unfold(page);
        await page.locator('select[name="device"]').selectOption("cpu");
        await stepOnce(page);
        const answers = (await page.locator(".transport .status").textContent()) ?? "";
        await close();
        expect(/WebAssembly SIMD, \d+ thread/.test(answers), `it says: ${answers}`);
        expect(faults.length === 0, faults.join("; "));
        return answers;
      },
    },
    ...(["gpu:webgl2", "gpu:webgpu"] as const).map((device) => ({
      name: `lab: served: ${device} in the page's worker computes the base's loss`,
      async holds() {
        const { page, faults, close } = await open();
        await page.evaluate(await inside());
        const on = (name: string): Promise<{ answers: string; loss: number }> =>
          page.evaluate(`globalThis.lossOn(${JSON.stringify(name)})`);
        const [cpu, gpu] = [await on("cpu"), await on(device)];
        await close();
        // Sums of at most 344 float32 products in five blocks: each logit is off by some 1e-5 of itself at most.
        expect(Math.abs(gpu.loss - cpu.loss) < 1e-4, `${gpu.loss}; on cpu ${cpu.loss}`);
        expect(faults.length === 0, faults.join("; "));
        return `${gpu.answers}: ${gpu.loss}; on cpu ${cpu.loss}`;
      },
    })),
  ];
}
