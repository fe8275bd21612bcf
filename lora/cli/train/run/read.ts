/** @file Reads the files of a run's data: UTF-8 text, from files or from standard input. */

import { statSync } from "node:fs";
import { decodeUtf8, exists, LowrankError, readFile } from "../../../../core/index.ts";

/** A text and where it comes from. */
export interface SourceText {
  /** The file, or "standard input", for messages. */
  readonly name: string;
  readonly text: string;
}

/**
 * The texts of files; `-` is standard input.
 * @param option the option that names the files, for messages
 * @throws LowrankError when a file is missing, empty or not UTF-8
 */
export async function readTexts(
  option: string,
  files: readonly string[],
  stdin: NodeJS.ReadableStream,
): Promise<SourceText[]> {
  if (files.filter((file) => file === "-").length > 1)
    throw new LowrankError(`${option}: expected standard input (-) once`);
  const texts: SourceText[] = [];
  for (const file of files) {
    const name = file === "-" ? "standard input" : file;
    const bytes = file === "-" ? await readAll(stdin) : readOne(option, file);
    const text = decodeUtf8(name, bytes).replace(/^\uFEFF/, "");
    if (text.trim() === "")
      throw new LowrankError(`${option}: ${name} is empty; expected text to learn from`);
    texts.push({ name, text });
  }
  return texts;
}

function readOne(option: string, file: string): Uint8Array {
  if (!exists(file)) throw new LowrankError(`${option}: there is no file ${file}`);
  if (statSync(file).isDirectory()) throw new LowrankError(`${option}: ${file} is a folder; expected a file`);
  return readFile(file);
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part as Uint8Array | string));
  return Buffer.concat(parts);
}
