/** @file Command-line options: Node's parser, with errors that help. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { NotebookError, similarNames } from "./errors.ts";

/** As `parseArgs`, names of notebooks among the options. @throws NotebookError that says how to get help with `command` */
export function parseOptions<T extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: T,
  command: string,
) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    const reason = (error as Error).message.split(/\. |\n/)[0];
    const [, unknown] = /^Unknown option '--(.*)'/.exec(reason) ?? [];
    const near = unknown === undefined ? [] : similarNames(unknown, Object.keys(options));
    const hint = near.length > 0 ? `did you mean ${near.map((name) => `--${name}`).join(" or ")}? ` : "";
    throw new NotebookError(`${reason}; ${hint}${command} -- --help lists the options`);
  }
}

/** The value of an option that takes a positive integer. */
export function positiveInteger(option: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new NotebookError(`--${option}: expected a positive integer; got "${text}"`);
}
