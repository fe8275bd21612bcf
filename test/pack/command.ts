/** @file Running other programs as a stranger to this checkout would, and what came of it. */

import { spawnSync } from "node:child_process";

/** What a program left behind. */
export interface Outcome {
  /** Both streams, without colours. */
  readonly text: string;
  readonly stdout: string;
  readonly seconds: number;
}

/** The environment, without what npm adds for the scripts of this package. */
const environment = (): NodeJS.ProcessEnv => {
  const ours =
    /^npm_(lifecycle|package|command|execpath|node_execpath|config_(local|global)_prefix)|^LOWRANK_/;
  const entries = Object.entries(process.env).filter(([name]) => !ours.test(name));
  return { ...Object.fromEntries(entries), NO_COLOR: "1", CI: "true" };
};

/** Runs a program in the folder `cwd`. @throws Error with its output, when it fails */
export function run(cwd: string, command: string, args: readonly string[], env: object = {}): Outcome {
  const began = performance.now();
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...environment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 600_000,
  });
  const text = stripped(`${stdout ?? ""}${stderr ?? ""}`);
  if (error || status !== 0) {
    const line = [command, ...args].join(" ");
    throw new Error(`${line}: ${error?.message ?? `exit code ${status}`}\n${text.slice(-4000)}`);
  }
  return { text, stdout: stripped(stdout), seconds: (performance.now() - began) / 1000 };
}

/** Runs a program of npm's packages by its JavaScript file. */
export const node = (cwd: string, file: string, args: readonly string[] = [], env: object = {}): Outcome =>
  run(cwd, process.execPath, [file, ...args], env);

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
const stripped = (text: string): string => text.replace(/\x1b\[[\d;?]*[A-Za-z]/g, "");

/** @throws Error when the output of `who` warns of anything but what `allowed` says */
export function noWarnings(who: string, { text }: Outcome, allowed: RegExp | null = null): void {
  const lines = text.split("\n").filter((line) => /\bwarn|\(!\)|circular|deprecat/i.test(line));
  const wrong = lines.filter((line) => !allowed?.test(line));
  if (wrong.length > 0) throw new Error(`${who} warns: ${wrong.join(" | ")}\n${text.slice(-4000)}`);
}
