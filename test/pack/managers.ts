/** @file npm, pnpm and yarn install the archive into an empty project: how large, how long, without a warning. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { check, expect, Skipped } from "./checks.ts";
import { node, noWarnings, type Outcome, run } from "./command.ts";
import { checkResult, megabytes, project, type Result, summary } from "./consumer.ts";
import { tool } from "./tools.ts";

/** An install may take so much of the disk. */
const MOST_MB = 12;

interface Manager {
  readonly name: string;
  readonly install: (folder: string, archive: string) => Outcome;
}

/** Each begins with an empty store, except npm, which works from its cache without a network. */
const managers: readonly Manager[] = [
  {
    name: "npm",
    install: (folder, archive) => run(folder, "npm", ["install", "--no-audit", "--no-fund", archive]),
  },
  {
    name: "pnpm",
    install: (folder, archive) =>
      run(folder, tool(".bin", "pnpm"), ["add", `--store-dir=${folder}-store`, archive]),
  },
  {
    name: "yarn 1",
    install: (folder, archive) =>
      node(folder, tool("yarn", "bin", "yarn.js"), [
        "add",
        "--non-interactive",
        `--cache-folder=${folder}-store`,
        `file:${archive}`,
      ]),
  },
  {
    name: "yarn 4",
    install: (folder, archive) => {
      writeFileSync(join(folder, "yarn.lock"), "");
      writeFileSync(
        join(folder, ".yarnrc.yml"),
        "nodeLinker: node-modules\nenableTelemetry: false\nenableGlobalCache: false\nenableImmutableInstalls: false\n",
      );
      const yarn = tool("@yarnpkg", "cli-dist", "bin", "yarn.js");
      return node(folder, yarn, ["add", `lowrank@file:${archive}`], { YARN_CACHE_FOLDER: `${folder}-store` });
    },
  },
];

/** Checks that each command of the command line loads what it needs, by its help. */
function checkCommands(folder: string): string {
  const program = join(folder, "node_modules/lowrank/dist/lora/cli/lowrank-cli.js");
  const names = Array.from(
    node(folder, program, ["--help"]).stdout.matchAll(/^ {2}([a-z]+) {2,}[A-Z]/gm),
    ([, name]) => name,
  );
  for (const name of names) {
    const outcome = node(folder, program, [name, "--help"]);
    noWarnings(name, outcome);
    expect(/\$ lowrank /.test(outcome.stdout), `lowrank ${name} --help shows no example`);
  }
  expect(names.length >= 5, `commands: ${names}`);
  return names.join(", ");
}

/** Checks that an adapter of a published model is trained, used and merged by the installed command line. */
function checkModel(folder: string): string {
  const base = resolve("../shared/models/stories260K");
  if (!existsSync(base)) throw new Skipped(`${base} is not there`);
  const lowrank = (...args: string[]): string =>
    run(folder, join(folder, "node_modules/.bin/lowrank"), args).stdout;
  writeFileSync(
    join(folder, "text.txt"),
    "Once upon a time there was a robot who liked to paint the sea. ".repeat(80),
  );
  const options = ["--method", "dora", "--rank", "8", "--steps", "5", "--out", "adapter"];
  lowrank("train", "--base", base, "--text", "text.txt", ...options);
  const told = lowrank(
    "generate",
    "--base",
    base,
    "--adapter",
    "adapter",
    "--prompt",
    "Once upon",
    "--max-tokens",
    "5",
  );
  expect(/^Once upon/.test(told), `generate prints ${told}`);
  lowrank("merge", "--base", base, "--adapter", "adapter", "--out", "merged");
  lowrank("eval", "--base", "merged", "--text", "text.txt");
  const { method, rank } = JSON.parse(lowrank("inspect", "adapter", "--json"));
  expect(method === "dora" && rank === 8, `inspect says ${method}, ${rank}`);
  return JSON.stringify(told.trim());
}

/** Checks every package manager. */
export async function checkManagers(root: string, archive: string, expected: Result): Promise<void> {
  for (const { name, install } of managers) {
    await check(name, () => {
      const folder = project(join(root, name.replace(" ", "-")));
      const outcome = install(folder, archive);
      noWarnings(name, outcome);
      const size = megabytes(join(folder, "node_modules"));
      expect(size < MOST_MB, `${size.toFixed(1)} MB`);
      const { bin } = JSON.parse(readFileSync(join(folder, "node_modules/lowrank/package.json"), "utf8"));
      expect(bin?.lowrank !== undefined, "package.json names no program lowrank");
      const help = run(folder, join(folder, "node_modules/.bin/lowrank"), ["--help"]).stdout;
      expect(/^Usage: lowrank <command>/.test(help), `lowrank --help prints ${help.slice(0, 200)}`);
      const devices = run(folder, join(folder, "node_modules/.bin/lowrank"), ["devices"]);
      noWarnings("lowrank devices", devices);
      expect(/not installed: npm i gpu\.js webgpu/.test(devices.stdout), devices.text);
      const result = checkResult(node(folder, "main.js").stdout, expected, "missing");
      return `${size.toFixed(1)} MB in ${outcome.seconds.toFixed(1)} s; ${summary(result)}`;
    });
  }
  await check("lowrank COMMAND --help, installed", () => checkCommands(join(root, "without")));
  await check("an adapter of a published model, installed", () => checkModel(join(root, "without")));
}
