/** @file `npm run gallery`: writes the site of the notebooks; see `usage`. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import open from "open";
import { NotebookError } from "../terminal/errors.ts";
import { writeGallery } from "./index.ts";
import { saveScreenshots } from "./screenshots.ts";

const usage = `npm run gallery -- [options]

Writes a static site from the executed notebooks, notebooks/*.ipynb: an index, and a page for each.

  --out DIR           write to this folder instead of gallery/
  --open              open the site in the browser
  --screenshots DIR   also save screenshots of the pages: wide and narrow, light and dark (needs Chromium)
  --help              this text`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: "gallery" },
      open: { type: "boolean", default: false },
      screenshots: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(usage);

  const folder = fileURLToPath(new URL("../..", import.meta.url));
  const files = (await readdir(folder)).filter((file) => file.endsWith(".ipynb")).sort();
  const reference = join(folder, "../out/docs/index.html"); // npm run docs
  const lab = join(folder, "../out/lab/index.html"); // npm run lab
  const index = await writeGallery({
    notebooks: files.map((file) => join(folder, file)),
    out: values.out,
    ...(existsSync(reference) && { reference }),
    ...(existsSync(lab) && { lab }),
  });
  console.log(`${files.length} notebooks → ${index}`);
  if (values.screenshots !== undefined) console.log(await saveScreenshots(index, values.screenshots));
  if (values.open) await open(index);
}

try {
  await main();
} catch (error) {
  const plain =
    error instanceof NotebookError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS");
  console.error(plain ? `error: ${(error as Error).message}` : error);
  process.exitCode = 1;
}
