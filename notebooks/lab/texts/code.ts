/**
 * @file Writes notebooks/lab/texts/code.txt, the lab's text of TypeScript: the declarations of Node's module `fs`, of
 * @types/node (MIT license), without comments, and without the indentation, which would be most of the base's tokens:
 *
 *     npx tsx notebooks/lab/texts/code.ts
 */
import { writeFileSync } from "node:fs";
import { nodeTypes } from "../../support/data/declarations.ts";

const fs = nodeTypes().find(({ name }) => name === "fs");
if (!fs) throw new Error("@types/node has no fs.d.ts");
const text = fs.declarations.replace(/^ +/gm, "");
writeFileSync(new URL("code.txt", import.meta.url), text);
console.log(`code.txt: ${text.length} characters`);
