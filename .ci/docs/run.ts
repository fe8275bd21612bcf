/** @file `npm run docs`: the API reference; see `usage`. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import open from "open";

const usage = `npm run docs -- [options]

Writes the API reference as a static site: the six entries of the library, a page for every exported name, and the header
of every file. The first run installs TypeDoc into .ci/docs/node_modules (46 MB), for which it needs the network.

  --out DIR   write it there instead of out/docs/
  --open      open it in the browser
  --help      this text`;

const folder = dirname(fileURLToPath(import.meta.url));

/** Installs what .ci/docs/package.json names, unless it is there in those versions. */
function install(): void {
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const isThere = Object.entries(dependencies).every(([name, version]) => {
    const manifest = join(folder, "node_modules", name, "package.json");
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version;
  });
  if (isThere) return;
  console.log("Installing TypeDoc into .ci/docs/node_modules (once): npm ci --prefix .ci/docs");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", folder];
  const npm = spawnSync("npm", args, { encoding: "utf8", shell: process.platform === "win32" });
  if (npm.status === 0) return;
  const complaint =
    npm.error?.message ??
    npm.stderr.split("\n").find((line) => /^npm error (?!code|syscall|errno)/.test(line));
  throw new Error(
    `npm run docs needs TypeDoc, and npm could not install it (${complaint?.trim()}); run it again with a network`,
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: "out/docs" },
      open: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(usage);
  install();
  const { writeReference } = await import("./reference.ts");
  const { index, pages } = await writeReference(values.out);
  console.log(`${pages} pages → ${index}`);
  if (values.open) await open(index);
}

try {
  await main();
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
}
