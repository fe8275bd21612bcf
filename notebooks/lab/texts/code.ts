/**
 * @file Writes notebooks/lab/texts/code.txt, the lab's text of TypeScript: the declarations of Node's module `fs`, of
 * @types/node (MIT license), without comments: npx tsx notebooks/lab/texts/code.ts
 */
import { writeFileSync } from "node:fs";
import { nodeTypes } from "../../support/data/declarations.ts";

const fs = nodeTypes().find(({ name }) => name === "fs");
if (!fs) throw new Error("@types/node has no fs.d.ts");
writeFileSync(new URL("code.txt", import.meta.url), fs.declarations);
console.log(`code.txt: ${fs.declarations.length} characters`);
