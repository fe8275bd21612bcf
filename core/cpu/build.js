/**
 * Compiles the kernels: `npm run build:wasm`. Makes two binaries from one source: `shared`, for several threads over
 * one memory, and `single`, for pages that have no shared memory. Binaries that were made from these sources are left
 * as they are, so the scripts of package.json call this first and take no time: stale kernels would silently compute
 * wrong numbers.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const target = join(folder, "generated");

/** 4 GiB, the most that an address reaches. The memory that is imported decides how much there is. */
const PAGES = "65536";

const common = [
  "assembly/index.ts",
  ...["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd"],
  // The job board and the tiles are below this address (assembly/board.ts, matmul.ts).
  ...["--importMemory", "--noExportMemory", "--memoryBase", "32768"],
];

/** A hash of the sources, the options (which are in this file) and the compiler's version. */
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
  // The type is written out: TypeScript would infer the text itself, and repeat it in the declarations.
  return `export const ${name}: string =\n  "${Buffer.from(outputs["kernels.wasm"]).toString("base64")}";\n`;
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
