/** @file Parses command-line options: Node's parser, with helpful errors. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { NotebookError } from "./errors.ts";
import { similarNames } from "./names.ts";

/**
 * Parses options and names of notebooks, as Node's `parseArgs` does.
 *
 * @throws NotebookError that suggests similar options, and `command -- --help`
 */
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

/** The value of an option that takes a positive integer. @throws NotebookError for any other text */
export function positiveInteger(option: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new NotebookError(`--${option}: expected a positive integer; got "${text}"`);
}
