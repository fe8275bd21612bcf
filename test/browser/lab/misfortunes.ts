/** @file What goes wrong in a browser: each is one clear sentence in the page, and nothing that was there is lost. */
import type { Page } from "playwright-core";
import {
  type Check,
  expect,
  refused,
  rows,
  stepOnce,
  unfold,
  type Visit,
  type VisitOptions,
} from "./check.ts";

/** Misfortunes of a worker from its beginning. */
const fromTheStart = {
  "without SIMD in WebAssembly": {
    inWorker: `{
      const Real = WebAssembly.Module;
      WebAssembly.Module = function (bytes) {
        if (bytes.length > 8) throw new WebAssembly.CompileError("invalid value type 's128'");
        return new Real(bytes);
      };
    }`,
    says: /SIMD/,
  },
  "with no memory for WebAssembly": {
    inWorker: `WebAssembly.Memory = function () { throw new RangeError("could not allocate memory"); };`,
    says: /memory/,
  },
} as const;

/** Those that a message brings. A worker without WebGL 2 is one in any case. */
export const AT_WILL = `{
  OffscreenCanvas.prototype.getContext = () => null;
  let isFull = false;
  Float32Array = new Proxy(Float32Array, {
    construct(target, values, as) {
      if (isFull && values[0] >= 512) throw new RangeError("Array buffer allocation failed");
      return Reflect.construct(target, values, as);
    },
  });
  addEventListener("message", ({ data }) => {
    if (data === "full") isFull = true;
    if (data === "free") isFull = false;
    if (data === "fail") setTimeout(() => { throw new Error("a fault of the test"); });
  });
}`;

/** One sentence or two, which a visitor can read. */
const isSentence = (text: string): boolean =>
  /^[A-Zα-ω"].{20,300}[.]$/su.test(text) && !/undefined|LOWRANK_|\n/.test(text);

/** Tells all workers that the page has had: another device was tried in one of its own, which has ended. */
export const tell = (page: Page, word: "full" | "free" | "fail"): Promise<void> =>
  page.evaluate((said) => {
    for (const worker of (globalThis as unknown as { workers: Worker[] }).workers) worker.postMessage(said);
  }, word);

const stepIn = async (page: Page): Promise<number> =>
  Number(/Step (\d+)/.exec((await page.locator(".where").textContent()) ?? "")?.[1] ?? 0);

/** Lets a minute pass in the page, again and again: the question that waits for an answer may not be asked yet. Never ends. */
async function hurry(page: Page): Promise<never> {
  for (;;) {
    await page.clock.runFor(60_000);
    await page.waitForTimeout(100);
  }
}

export function misfortuneChecks(open: (options: VisitOptions) => Promise<Visit>): Check[] {
  let opened: Promise<Visit> | null = null;
  const shared = async (): Promise<Page> => (await (opened ??= open({ inWorker: AT_WILL }))).page;

  return [
    ...Object.entries(fromTheStart).map(([name, { inWorker, says }]) => ({
      name: `lab: ${name}: a sentence, and the stored run stays`,
      async holds() {
        const { page, close } = await open({ inWorker });
        const sentence = await refused(page);
        const left = [await rows(page), await page.locator(".plotted svg").count()];
        await close();
        expect(isSentence(sentence) && says.test(sentence), `it says: ${sentence}`);
        expect(left[0] >= 1 && left[1] >= 3, `${left[0]} runs, ${left[1]} plots`);
        return sentence;
      },
    })),
    {
      name: "lab: without WebGL 2: a sentence, and the next step is computed on the cpu",
      async holds() {
        const page = await shared();
        await unfold(page);
        await stepOnce(page);
        const step = await stepIn(page);
        await page.locator('select[name="device"]').selectOption("gpu:webgl2");
        const sentence = await refused(page);
        await page.waitForFunction(
          () => document.querySelector<HTMLSelectElement>('select[name="device"]')?.value === "cpu",
        );
        await stepOnce(page);
        expect((await stepIn(page)) === step + 1, "the run that was there does not go on");
        expect(isSentence(sentence) && /WebGL/.test(sentence), `it says: ${sentence}`);
        return sentence;
      },
    },
    {
      name: "lab: memory refused: a sentence, and the runs stay",
      async holds() {
        const page = await shared();
        await stepOnce(page);
        const before = await rows(page);
        await tell(page, "full");
        await page.click('[data-part="reset"]');
        const sentence = await refused(page);
        await tell(page, "free");
        await stepOnce(page);
        expect(isSentence(sentence) && /memory/.test(sentence), `it says: ${sentence}`);
        expect((await rows(page)) >= before, `${before} runs before, ${await rows(page)} after`);
        return sentence;
      },
    },
    {
      name: "lab: memory refused in a step: a sentence, and the same run takes it when there is memory again",
      async holds() {
        const page = await shared();
        await stepOnce(page);
        await page.click('[data-part="reset"]'); // later steps take the arrays of the first again
        await page.waitForFunction(
          () => !/^\s*Step [1-9]/.test(document.querySelector(".where")?.textContent ?? ""),
        );
        await page.evaluate(() => document.querySelector("table.runs [aria-current]")?.classList.add("this"));
        await tell(page, "full");
        await page.click('[data-part="step"]');
        const sentence = await refused(page);
        await tell(page, "free");
        await stepOnce(page);
        expect(isSentence(sentence) && /memory/.test(sentence), `it says: ${sentence}`);
        expect((await page.locator("table.runs .this[aria-current]").count()) === 1, "it is another run");
        return sentence;
      },
    },
    {
      name: "lab: a hidden tab: the run waits, and goes on when it is seen",
      async holds() {
        const page = await shared();
        const hide = (isHidden: boolean): Promise<void> =>
          page.evaluate((to) => {
            Object.defineProperty(document, "hidden", { value: to, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
          }, isHidden);
        await page.click('[data-part="start"]');
        await page.waitForFunction(() =>
          /Step [2-9]/.test(document.querySelector(".where")?.textContent ?? ""),
        );
        await hide(true);
        await page.waitForTimeout(3000); // the step that was on its way
        const step = await stepIn(page);
        await page.waitForTimeout(3000);
        const later = await stepIn(page);
        await hide(false);
        await page.waitForFunction(
          (from) =>
            Number(/Step (\d+)/.exec(document.querySelector(".where")?.textContent ?? "")?.[1]) > from,
          later,
        );
        const said = await page.locator(".said:not([hidden])").allTextContents();
        await page.click('[data-part="start"]'); // Pause
        expect(step === later, `it went from step ${step} to ${later} while it was hidden`);
        expect(/hidden/.test(said.join()), `it says: ${said}`);
        return said.join();
      },
    },
    {
      name: "lab: a worker that fails: a sentence, the runs stay, and Step begins with a new one",
      async holds() {
        const page = await shared();
        await stepOnce(page); // so that there is a worker
        const before = await rows(page);
        await tell(page, "fail");
        await page.click('[data-part="step"]');
        const sentence = await refused(page);
        await stepOnce(page);
        expect(isSentence(sentence) && /worker/.test(sentence), `it says: ${sentence}`);
        expect((await rows(page)) >= before, `${before} runs before, ${await rows(page)} after`);
        return sentence;
      },
    },
    {
      name: "lab: a worker that was ended never answers: after a minute a sentence, and the runs stay",
      async holds() {
        const page = await shared();
        await stepOnce(page); // so that there is a worker
        const before = await rows(page);
        await page.clock.install();
        await page.evaluate(() => {
          for (const worker of (globalThis as unknown as { workers: Worker[] }).workers) worker.terminate();
        });
        await page.click('[data-part="step"]');
        const sentence = await Promise.race([refused(page), hurry(page)]);
        expect(isSentence(sentence) && /worker/.test(sentence), `it says: ${sentence}`);
        expect((await rows(page)) >= before, `${before} runs before, ${await rows(page)} after`);
        await (await opened)?.close();
        return sentence;
      },
    },
  ];
}
