/** @file The texts of the lab, by name: three targets, and the base's own. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { nodeTypes } from "../../support/data/declarations.ts";
import { toAscii } from "../../support/data/text.ts";

/** Characters of a text: enough for some hundreds of steps, and little beside the model. */
const LENGTH = 60_000;

const read = (name: string): Promise<string> =>
  readFile(fileURLToPath(new URL(`../../support/data/${name}.txt`, import.meta.url)), "utf8");

/**
 * Addresses on the State of the Union that were held out of the base's training: the later half is the target `speeches`,
 * near to what the base knows, and the earlier half is `base`, on which forgetting is measured. Moby-Dick is far, and
 * declarations of TypeScript are farther.
 */
export async function readTexts(): Promise<Record<string, string>> {
  const [addresses, moby] = await Promise.all([read("state-of-the-union"), read("moby-dick")]);
  const half = addresses.indexOf("\n", addresses.length / 2) + 1;
  const code = nodeTypes().find(({ name }) => name === "fs")!.declarations;
  return {
    speeches: addresses.slice(half),
    "moby-dick": moby.slice(0, LENGTH),
    code: toAscii(code).slice(0, LENGTH),
    base: addresses.slice(0, half),
  };
}
