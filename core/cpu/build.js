/**
 * Compiles the kernels: `npm run build:wasm`. Two binaries from one source: `shared`, for several threads over
 * one memory, and `single`, for pages that have no shared memory.
 */

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const folder = fileURLToPath(new URL(".", import.meta.url));
const target = join(folder, "generated");

/** 4 GiB, the most an address reaches; how much there is, the importing side says. */
const PAGES = "65536";

const common = [
  "assembly/index.ts",
  ...["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd"],
  // Below lie the job board and the tiles (assembly/board.ts, matmul.ts).
  ...["--importMemory", "--noExportMemory", "--memoryBase", "32768"],
];

async function compile(name, options) {
  const outputs = {};
  const { error, stderr } = await asc.main(
    [...common, ...options, "--outFile", "kernels.wasm", "--baseDir", folder],
    {
      writeFile: (file, contents) => {
        outputs[file] = contents;
      },
    },
  );
  if (error) {
    console.error(stderr.toString());
    throw new Error(`build:wasm: could not compile ${name}: ${error.message}`);
  }
  return `export const ${name} =\n  "${Buffer.from(outputs["kernels.wasm"]).toString("base64")}";\n`;
}

const shared = await compile("shared", ["--enable", "threads", "--sharedMemory", "--maximumMemory", PAGES]);
const single = await compile("single", []);
mkdirSync(target, { recursive: true });
const file = join(target, "built-by-npm-run-build-wasm.ts");
writeFileSync(
  `${file}.new`,
  `/** @file Compiled kernels, base64. Made by \`npm run build:wasm\`. */\n\n${shared}\n${single}`,
);
renameSync(`${file}.new`, file);
