/** @file The texts of the data packages, cleaned. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The files of a package that are texts, by name. */
function texts(name: string): [file: string, text: string][] {
  const folder = fileURLToPath(new URL(`./node_modules/@stdlib/${name}/data/`, import.meta.url));
  if (!existsSync(folder)) throw new Error("the texts are missing: npm ci --prefix notebooks/bases");
  const files = readdirSync(folder).filter((file) => file.endsWith(".txt"));
  return files.sort().map((file) => [file, readFileSync(`${folder}${file}`, "utf8")]);
}

/** The State of the Union addresses in order of time, as plain characters: straight quotes, one space between words. */
export function addresses(): string[] {
  return texts("datasets-sotu").map(([, text]) =>
    text
      .replace(/[‘’]/g, "'")
      .replace(/[“”]/g, '"')
      .replace(/[–—‑]/g, "-")
      .replace(/[ \t]+/g, " ")
      .replace(/\s*\n\s*/g, "\n")
      .trim(),
  );
}

/** Whether the i-th address is held out from training: every 25th. */
export const isHeld = (i: number): boolean => i % 25 === 12;

/** The chapters of Moby-Dick in order. */
export function chapters(): string[] {
  const number = (file: string): number => Number(/\d+/.exec(file)?.[0]);
  return texts("datasets-moby-dick")
    .filter(([file]) => /^chapter_\d+\.txt$/.test(file))
    .sort(([a], [b]) => number(a) - number(b))
    .map(([, text]) => text.replace(/[ \t]+/g, " ").trim());
}
