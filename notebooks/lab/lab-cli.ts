/** @file `npm run lab`: writes the live lab, and shows or serves it; see `usage`. */
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import open from "open";
import { openInBrowser } from "../support/runner/open.ts";
import { NotebookError, report } from "../support/terminal/errors.ts";
import { parseOptions } from "../support/terminal/options.ts";
import { writeLab } from "./build/index.ts";
import { servePage } from "./build/serve.ts";

const usage = `npm run lab -- [options]

Writes the live lab, a page in which a small language model is adapted while you watch: one file, without a
network.

  --out DIR    write index.html to this folder (default: out/lab)
  --open       open the page in the browser
  --serve      serve the page on a free port of this machine until Ctrl-C, cross-origin isolated, so that it
               computes with threads, and with WebGPU where the browser has it
  --help       this text`;

async function main(): Promise<void> {
  const { values, positionals } = parseOptions(
    process.argv.slice(2),
    {
      out: { type: "string", default: fileURLToPath(new URL("../../out/lab", import.meta.url)) },
      open: { type: "boolean", default: false },
      serve: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
    "npm run lab",
  );
  if (values.help) return console.log(usage);
  if (positionals.length > 0) throw new NotebookError(`lab: expected options only; got "${positionals[0]}"`);

  const path = await writeLab(values.out);
  console.log(`lab: ${((await stat(path)).size / 1e6).toFixed(1)} MB → ${path}`);
  if (values.serve) {
    const { url } = await servePage(path);
    console.log(`lab: ${url} (Ctrl-C ends)`);
    if (values.open) await open(url);
  } else if (values.open && !(await openInBrowser(path))) {
    throw new NotebookError(`--open: no browser could be started; the page is ${path}`);
  }
}

try {
  await main();
} catch (error) {
  console.error(report(error));
  process.exitCode = 1;
}
