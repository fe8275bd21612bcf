/** @file Reads `.ipynb` files, nbformat 4, and checks their form. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { NotebookError } from "../terminal/errors.ts";

export interface Notebook {
  readonly path: string;
  readonly name: string;
  readonly cells: readonly Cell[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface Cell {
  readonly type: "markdown" | "code";
  /** Title of a code cell; empty if it has none. */
  readonly title: string;
  readonly source: string;
  readonly outputs: readonly Output[];
}

/** One output in several forms, by media type. */
export type Output = Readonly<Record<string, string>>;

/** Reads a notebook. @throws NotebookError if the file cannot be read or is not a notebook */
export async function readNotebook(path: string): Promise<Notebook> {
  try {
    const file = record(JSON.parse(await readFile(path, "utf8")), "the file");
    if (file.nbformat !== 4) throw new TypeError(`expected nbformat 4; got ${JSON.stringify(file.nbformat)}`);
    const cells = list(file.cells, "cells").map((cell, i) => readCell(cell, `cells[${i}]`));
    return { path, name: basename(path, ".ipynb"), cells, metadata: record(file.metadata, "metadata") };
  } catch (error) {
    throw new NotebookError(`${path}: not a notebook: ${(error as Error).message}`);
  }
}

function readCell(value: unknown, where: string): Cell {
  const cell = record(value, where);
  const { title = "" } = record(cell.metadata ?? {}, `${where}.metadata`);
  const code = cell.cell_type === "code";
  return {
    type: code ? "code" : "markdown",
    title: String(title),
    source: text(cell.source, `${where}.source`),
    outputs: code
      ? list(cell.outputs, `${where}.outputs`).map((output, i) =>
          readOutput(output, `${where}.outputs[${i}]`),
        )
      : [],
  };
}

/** Reads an output. Our runner writes only `display_data`; a kernel also writes results, printed text and errors. */
function readOutput(value: unknown, where: string): Output {
  const output = record(value, where);
  if (output.output_type === "stream") return { "text/plain": text(output.text, `${where}.text`) };
  if (output.output_type === "error") return { "text/plain": `${output.ename}: ${output.evalue}` };
  const data = record(output.data, `${where}.data`);
  return Object.fromEntries(Object.entries(data).map(([type, form]) => [type, text(form, `${where}.data`)]));
}

/** A string, or lines with their ends. */
function text(value: unknown, where: string): string {
  const lines = typeof value === "string" ? [value] : list(value, where);
  return lines.map((line) => (typeof line === "string" ? line : fail("text", where))).join("");
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail("an object", where);
  return value as Record<string, unknown>;
}

function list(value: unknown, where: string): unknown[] {
  return Array.isArray(value) ? value : fail("a list", where);
}

function fail(expected: string, where: string): never {
  throw new TypeError(`expected ${expected} at ${where}`);
}
