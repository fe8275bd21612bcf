/** @file `npm run pictures`: writes the README's pictures from the committed notebooks. */

import { writeFileSync } from "node:fs";
import { pictures } from "./gap-by-rank.ts";

for (const [path, svg] of Object.entries(await pictures())) {
  writeFileSync(path, svg);
  console.log(path);
}
