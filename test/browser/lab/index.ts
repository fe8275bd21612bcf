/** @file The lab in a browser: from its file, as it is mailed, and served. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { writeLab } from "../../../notebooks/lab/build/index.ts";
import { servePage } from "../../../notebooks/lab/build/serve.ts";
import type { CaseResult } from "../../conformance/run-cases.ts";
import { runChecks, visit } from "./check.ts";
import { handChecks } from "./hands.ts";
import { keptChecks } from "./kept.ts";
import { lawChecks } from "./law.ts";
import { lookChecks } from "./looks.ts";
import { misfortuneChecks } from "./misfortunes.ts";
import { orderChecks } from "./order.ts";
import { servedChecks } from "./served.ts";
import { storyChecks } from "./story.ts";

/** Writes the lab, and runs those of its checks whose name has `only` in it. */
export async function checkLab(
  browser: Browser,
  only: string,
  tell: (result: CaseResult) => void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "lowrank-lab-"));
  const path = await writeLab(folder);
  const { href } = pathToFileURL(path);
  const { url, server } = await servePage(path);
  const contexts = browser.contexts();
  try {
    await runChecks(
      [
        ...storyChecks(() => visit(browser, href)),
        ...lookChecks((options) => visit(browser, href, options), "out/screenshots"),
        ...handChecks(() => visit(browser, href)),
        ...keptChecks(() => visit(browser, href)),
        ...orderChecks((options) => visit(browser, href, options)),
        ...misfortuneChecks((options) => visit(browser, href, options)),
        ...servedChecks(() => visit(browser, url)),
        ...lawChecks({
          file: async () => (await visit(browser, href)).page,
          served: async () => (await visit(browser, url)).page,
        }),
      ],
      only,
      tell,
    );
  } finally {
    for (const context of browser.contexts()) if (!contexts.includes(context)) await context.close();
    server.close();
    rmSync(folder, { recursive: true });
  }
}
