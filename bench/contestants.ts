// Everyone who is measured. The last one that trains is the anchor of `gpt.ts`: PyTorch, where it is installed.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Contestant } from "./contestant.ts";
import { reason } from "./outcome.ts";
import { lowrankDevices } from "./peers/lowrank.ts";
import { plain } from "./peers/plain.ts";
import { pytorch } from "./peers/pytorch.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** The npm packages of `bench/package.json` that are not installed in the version it names. */
function missingPeers(): string[] {
  const read = (path: string) => JSON.parse(readFileSync(`${FOLDER}${path}`, "utf8"));
  const wanted: Record<string, string> = read("package.json").dependencies;
  return Object.entries(wanted).flatMap(([name, version]) => {
    try {
      return read(`node_modules/${name}/package.json`).version === version ? [] : [name];
    } catch {
      return [name];
    }
  });
}

/** Installs the peers where they are missing. Returns why that did not work, or null. */
function installPeers(say: (line: string) => void): string | null {
  if (missingPeers().length === 0) return null;
  say(
    `Installing the peers ${missingPeers().join(", ")} into bench/node_modules (once): npm install --prefix bench`,
  );
  const npm = spawnSync(
    "npm",
    ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", FOLDER],
    {
      encoding: "utf8",
      shell: process.platform === "win32",
    },
  );
  if (npm.status === 0) return null;
  const complaint =
    npm.error?.message ?? npm.stderr.split("\n").find((line) => /^npm error (?!code)/.test(line)) ?? "";
  return `npm install --prefix bench failed (${complaint.trim()}); --no-peers leaves the peers out`;
}

/** The peers, in the order of the tables. Their modules import packages that may be missing: hence the late import. */
async function loadPeers(say: (line: string) => void): Promise<{ peers: Contestant[]; absent: string[] }> {
  const failure = installPeers(say);
  if (failure) return { peers: [pytorch], absent: [`tfjs, jax-js: ${failure}`] };
  const { tfjsCpu, tfjsWasm } = await import("./peers/tfjs.ts");
  const { jax } = await import("./peers/jax.ts");
  return { peers: [tfjsCpu, tfjsWasm, jax, pytorch], absent: [] };
}

/** Opens everyone; `absent` says, a line each, who cannot run here and why. */
export async function gather(
  withPeers: boolean,
  say: (line: string) => void,
): Promise<{ contestants: Contestant[]; absent: string[] }> {
  const { peers, absent } = withPeers ? await loadPeers(say) : { peers: [], absent: [] };
  const contestants: Contestant[] = [];
  for (const contestant of [...lowrankDevices(), plain, ...peers]) {
    const refusal = await contestant.open().catch(reason);
    if (refusal === null) contestants.push(contestant);
    else absent.push(`${contestant.name}: ${refusal}`);
  }
  return { contestants, absent };
}
