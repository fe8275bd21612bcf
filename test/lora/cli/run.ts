/** @file Runs a command of the command line in this process, and collects what it prints. */

import { Readable } from "node:stream";
import { runCommand } from "../../../lora/cli/program.ts";

/** What a command gave. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The document of `--json`. */
  json<T = Record<string, unknown>>(): T;
}

export interface Situation {
  /** What comes from standard input. @default "" */
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Width of a terminal; without it there is none. */
  readonly terminal?: number;
}

/** Runs `lowrank` with the words of a command. */
export async function lowrank(argv: readonly string[], situation: Situation = {}): Promise<Ran> {
  const { stdin = "", env = {}, terminal: columns } = situation;
  const collected = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write: (text: string) => void (collected[name] += text),
    ...(columns === undefined ? {} : { columns, isTTY: name === "stdout" }),
  });
  const io = { stdout: output("stdout"), stderr: output("stderr"), stdin: Readable.from([stdin]), env };
  const code = await runCommand(argv, io);
  return { code, ...collected, json: () => JSON.parse(collected.stdout) };
}
