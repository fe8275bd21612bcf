/** @file The arrows of the architecture: a folder imports only from folders below it, and through their index.ts. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const below: Readonly<Record<string, readonly string[]>> = {
  core: [],
  autograd: ["core"],
  nn: ["core", "autograd"],
  lora: ["core", "autograd", "nn"],
  quant: ["core", "autograd", "nn"],
};

/** The command line stands on top of all folders, in Node only; nothing imports it. */
const isCommandLine = (file: string): boolean => file.startsWith("lora/cli/");

const arrows = suite("imports");

const importsOf = (file: string): string[] =>
  Array.from(
    readFileSync(file, "utf8").matchAll(/^(?:(?:import|export)\b[^;()"']*?\bfrom|import) ["']([^"']+)["']/gm),
    ([, from]) => from,
  );

for (const [folder, allowed] of Object.entries(below)) {
  arrows(`${folder} imports only from ${allowed.join(", ") || "itself"}, through index.ts`, () => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
      (file) => /\.ts$/.test(file) && !/assembly|generated/.test(file),
    );
    assert.ok(files.length > 0);
    const wrong: string[] = [];
    for (const file of files.map((name) => join(folder, name))) {
      for (const from of importsOf(file)) {
        if (!from.startsWith(".")) {
          if (from.startsWith("lowrank"))
            wrong.push(`${file}: ${from} (use a relative path inside the library)`);
          continue;
        }
        const target = normalize(join(dirname(file), from));
        const [other] = target.split("/");
        if (isCommandLine(target) && !isCommandLine(file)) wrong.push(`${file}: ${from}`);
        if (other === folder) continue;
        const isAllowed = allowed.includes(other) || (isCommandLine(file) && Object.hasOwn(below, other));
        if (!isAllowed || target !== `${other}/index.ts`) wrong.push(`${file}: ${from}`);
      }
    }
    assert.equal(wrong, []);
  });
}

arrows("no file imports itself, through others: bundlers warn of circles", () => {
  const valuesOf = /^(?:(?:import|export)\b(?!\s+type\b)[^;()"']*?\bfrom|import) ["'](\.[^"']+)["']/gm;
  const files = Object.keys(below).flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.ts$/.test(name) && !/assembly/.test(name))
      .map((name) => join(folder, name)),
  );
  const imports = new Map(
    files.map((file) => {
      const found = readFileSync(file, "utf8").matchAll(valuesOf);
      return [file, Array.from(found, ([, from]) => normalize(join(dirname(file), from)))];
    }),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (path.includes(file) || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  assert.ok(files.length > 200);
  assert.equal(circles, []);
});

arrows("only core/gpu imports gpu.js, only the platform files import Node's modules", () => {
  const wrong: string[] = [];
  for (const folder of Object.keys(below)) {
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!/\.ts$/.test(name) || /assembly|generated/.test(name)) continue;
      const file = join(folder, name);
      for (const from of importsOf(file)) {
        if (/^gpu\.js/.test(from) && !file.startsWith("core/gpu/")) wrong.push(`${file}: ${from}`);
        if (/^(node:|cli-progress)/.test(from) && !/\.node\.ts$|-cli\.ts$/.test(file) && !isCommandLine(file))
          wrong.push(`${file}: ${from}`);
      }
    }
  }
  assert.equal(wrong, []);
});

arrows("a package that need not be installed is imported nowhere but by name, when it is needed", () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as Record<
    string,
    Readonly<Record<string, string>>
  >;
  const isOptional = (name: string, file: string): boolean =>
    name in peerDependencies || (name === "cli-progress" && !file.startsWith("lora/cli/"));
  const statically = /^(?:(?:import|export)\b(?!\s+type\b)[^;()"']*?\bfrom|import) ["']([^"'.#][^"']*)["']/gm;
  const wrong: string[] = [];
  for (const folder of Object.keys(below)) {
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!/\.ts$/.test(name) || /assembly|generated/.test(name)) continue;
      const file = join(folder, name);
      for (const [, from] of readFileSync(file, "utf8").matchAll(statically)) {
        const [scope, rest] = from.split("/");
        const named = from.startsWith("@") ? `${scope}/${rest}` : scope;
        if (named.startsWith("node:")) continue;
        if (isOptional(named, file) || !(named in dependencies)) wrong.push(`${file}: ${from}`);
      }
      for (const [, from] of readFileSync(file, "utf8").matchAll(/\bimport\("([^"'.#][^"']*)"\)/g)) {
        const isThere = from in dependencies || from in peerDependencies || from.startsWith("node:");
        if (!isThere) wrong.push(`${file}: import("${from}")`);
      }
    }
  }
  assert.equal(wrong, []);
});

/** The papers' files of lora/: each may import other papers, the starts, and what a method is made of. */
const papers = ["lora.ts", "dora.ts", "lora-fa.ts", "lora-plus.ts", "adalora/", "loralib/", "init/"];
const contract = [
  "adapter",
  "adapted-layer",
  "adapted-model",
  "cached",
  "elsewhere",
  "row-norms",
  "weight-view",
].map((name) => `model/${name}.ts`);
/** What serves all papers; it finds them in lora/methods.ts, by name. */
const machinery = ["model/", "peft/", "algebra/", "count/"];

arrows("in lora/ papers import papers and the contract of methods; the machinery imports no paper", () => {
  const within = (file: string, places: readonly string[]): boolean =>
    places.some((place) => file === place || (place.endsWith("/") && file.startsWith(place)));
  const wrong: string[] = [];
  for (const name of readdirSync("lora", { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    for (const from of importsOf(join("lora", name))) {
      const target = normalize(join(dirname(join("lora", name)), from));
      if (!from.startsWith(".") || !target.startsWith("lora/")) continue;
      const other = target.slice("lora/".length);
      const isStart = within(name, ["model/"]) && within(other, ["init/"]); // an option of every adapter
      if (within(name, papers) && !within(other, [...papers, ...contract])) wrong.push(`${name}: ${from}`);
      if (within(name, machinery) && within(other, papers) && !isStart) wrong.push(`${name}: ${from}`);
    }
  }
  assert.equal(wrong, []);
});

arrows.run();
