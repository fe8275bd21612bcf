/** @file The notebooks of a folder: names, titles, listings, and the choice of some of them. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { NotebookError } from "../terminal/errors.ts";
import { unknownName } from "../terminal/names.ts";
import { declaredSettings } from "./execute.ts";
import { parsePercent } from "./percent.ts";
import { declaredTable } from "./settings.ts";
import { inStory } from "./story.ts";

/** Names of the notebooks, the `.ts` files directly in the folder, in the order of the story. */
export async function notebooksIn(folder: string): Promise<string[]> {
  const files = await readdir(folder);
  const names = files.filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -3));
  if (names.length === 0) throw new NotebookError(`no notebooks in ${folder}`);
  return names.sort(inStory);
}

/** The notebooks asked for, or all if none is. @throws NotebookError for a name that does not exist */
export function choose(asked: readonly string[], names: readonly string[]): readonly string[] {
  for (const name of asked) if (!names.includes(name)) throw unknownName("notebook", name, names);
  return asked.length > 0 ? [...new Set(asked)] : names;
}

/** One line for each notebook: its name, its title, and whether it takes a reader's text and base. */
export async function listing(folder: string, names: readonly string[]): Promise<string> {
  const width = Math.max(...names.map((name) => name.length));
  const titles = await Promise.all(names.map((name) => title(join(folder, `${name}.ts`))));
  const taking = await readersNotebooks(folder, names);
  const mark = (name: string): string => (taking.includes(name) ? "  (text, base)" : "");
  return names.map((name, i) => `${name.padEnd(width)}  ${titles[i]}${mark(name)}`.trimEnd()).join("\n");
}

/** Those of the notebooks that take a reader's text and base: they, or the files of their paper, ask for them. */
export async function readersNotebooks(folder: string, names: readonly string[]): Promise<string[]> {
  const asks = async (file: string): Promise<boolean> =>
    /\breadersShift\(/.test(await readFile(file, "utf8"));
  const takes = async (name: string): Promise<boolean> => {
    const paper = join(folder, "papers", name);
    const files = await readdir(paper).catch(() => []);
    const sources = files.filter((file) => file.endsWith(".ts")).map((file) => join(paper, file));
    return (await Promise.all([join(folder, `${name}.ts`), ...sources].map(asks))).includes(true);
  };
  const taking = await Promise.all(names.map(takes));
  return names.filter((_, i) => taking[i]);
}

/** The settings of each notebook, with their quick and full values, wrapped to `columns`. */
export async function settingsListing(
  folder: string,
  names: readonly string[],
  columns?: number,
): Promise<string> {
  const lists: string[] = [];
  for (const name of names) {
    const path = join(folder, `${name}.ts`);
    const settings = await declaredSettings(path);
    const heading = `${name}: ${await title(path)}`;
    lists.push(settings ? declaredTable(settings, heading).toText(columns) : `${heading}\n(no settings)`);
  }
  return lists.join("\n\n");
}

/** The first heading of the prose. */
async function title(path: string): Promise<string> {
  const cells = parsePercent(await readFile(path, "utf8"), path);
  const prose = cells.filter(({ type }) => type === "markdown").map(({ source }) => source);
  return /^#+ (.*)$/m.exec(prose.join("\n"))?.[1] ?? "";
}
