/**
 * Compiles the kernels: `npm run build:wasm`. Two binaries from one source: `shared`, for several threads over
 * one memory, and `single`, for pages that have no shared memory. Binaries that are of these sources already are
 * left as they are, so that the scripts of package.json can call this first: kernels that are not those of the
 * sources would compute wrong numbers without a word.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

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

/** Of the sources, the options and the compiler's version. */
function sourceHash() {
  const hash = createHash("sha256");
  const require = createRequire(import.meta.url);
  const files = readdirSync(join(folder, "assembly")).sort();
  const paths = [...files.map((file) => join("assembly", file)), "build.js"];
  for (const path of paths) hash.update(path).update(readFileSync(join(folder, path)));
  return hash.update(require("assemblyscript/package.json").version).digest("hex");
}

async function compile(asc, name, options) {
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

const file = join(target, "built-by-npm-run-build-wasm.ts");
const heading = `/** @file Compiled kernels, base64. Made by \`npm run build:wasm\` from sources with hash ${sourceHash()}. */\n`;
if (!existsSync(file) || !readFileSync(file, "utf8").startsWith(heading)) {
  const { default: asc } = await import("assemblyscript/asc");
  const threads = ["--enable", "threads", "--sharedMemory", "--maximumMemory", PAGES];
  const binaries = [await compile(asc, "shared", threads), await compile(asc, "single", [])];
  mkdirSync(target, { recursive: true });
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, `${heading}\n${binaries.join("\n")}`);
  renameSync(temporary, file);
}
