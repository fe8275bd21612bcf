/**
 * @file `npm run pack:check`: packs the library, and tries it as strangers do: package managers, bundlers, runtimes,
 * TypeScript's settings, linters of packages; see `usage`.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkBundlers } from "./bundlers.ts";
import { check, only, totals } from "./checks.ts";
import { node, noWarnings, run } from "./command.ts";
import { checkResult, program, project, type Result, summary } from "./consumer.ts";
import { checkManagers } from "./managers.ts";
import { checkLinters, checkProjects, runtimes } from "./projects.ts";
import { checkContents } from "./tarball.ts";

const usage = `npm run pack:check -- [TEXT]

Packs the library and installs it into empty projects, by npm, pnpm, yarn 1 and yarn 4: megabytes, seconds, no
warning. Small programs train LoRA on an MLP there and merge it: in Node, Deno and Bun, and bundled for a page by Vite,
webpack, rollup and esbuild, run in Chromium. All must give the numbers of the checkout, bit for bit. Then
TypeScript's settings, publint and arethetypeswrong, and what is in the archive.

The first run installs the tools into .ci/pack/node_modules (370 MB); what cannot be had is skipped, with the reason.

  TEXT     only checks whose name holds TEXT
  --help   this text`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h" } },
  });
  if (values.help) return console.log(usage);
  only(positionals);
  const root = mkdtempSync(join(tmpdir(), "lowrank-pack-"));
  try {
    run(resolve("."), "npm", ["pack", "--silent", "--pack-destination", root]);
    const archive = join(root, readdirSync(root).find((name) => name.endsWith(".tgz")) as string);
    const expected = inCheckout();

    const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", archive];
    const without = project(join(root, "without"));
    run(without, "npm", install);
    // Of gpu.js's dependencies a page needs none.
    const empty = "npm:empty-npm-package@1.0.0";
    const withGpu = project(join(root, "with-gpu"), { overrides: { gl: empty, webgpu: empty } });
    const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
    run(withGpu, "npm", [...install, `gpu.js@${devDependencies["gpu.js"]}`]);

    await check("the archive", () => checkContents(archive, join(without, "node_modules/lowrank")));
    await checkProjects(without);
    await checkManagers(root, archive, expected);
    for (const [name, command] of runtimes) {
      await check(name, () => {
        const [file, ...args] = command();
        const outcome = run(withGpu, file, [...args, "main.js"], { DENO_DIR: join(root, "deno") });
        noWarnings(name, outcome);
        return summary(checkResult(outcome.stdout, expected, "computes"));
      });
    }
    await checkBundlers({ withGpu, without }, expected);
    await checkLinters(archive, without);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  if (totals.failed > 0) process.exitCode = 1;
}

/** The numbers of the program from the sources. */
function inCheckout(): Result {
  const file = resolve(".cache", `pack-${process.pid}.ts`);
  writeFileSync(file, program);
  try {
    const tsx = resolve("node_modules/tsx/dist/cli.mjs");
    return JSON.parse(node(resolve("."), tsx, [file]).stdout.trim().split("\n").at(-1) as string) as Result;
  } finally {
    rmSync(file, { force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`pack:check: ${(error as Error).message}`);
  process.exitCode = 1;
}
