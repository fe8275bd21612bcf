/**
 * @file The worked examples of CONTRIBUTING.md and notebooks/using.md work: their programs print what they say, and an
 * op, a law, a notebook and a kernel are added to a copy of the checkout, whose own tests then find them right.
 */

import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Block, blocksOf, promised, withLines } from "./support/documented.ts";

const CONTRIBUTING = "CONTRIBUTING.md";
const using = blocksOf("notebooks/using.md");
const contributing = blocksOf(CONTRIBUTING);
const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));

const documented = suite("documentation");
mkdirSync(".cache", { recursive: true });
const folder = resolve(mkdtempSync(".cache/documented-"));
documented.after(() => rmSync(folder, { recursive: true }));

const isProgram = ({ language, path }: Block): boolean => language === "ts" && path === null;
const isQuotation = ({ language, path }: Block): boolean =>
  language === "ts" && path !== null && existsSync(path);

/** Runs a program in `cwd` and compares. */
function check({ text, heading }: Block, cwd: string): void {
  const file = join(cwd, ".cache", "example.ts");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  const env = { ...process.env, LOWRANK_DEVICE: "cpu" };
  const printed = execFileSync(process.execPath, ["--import", "tsx", file], { cwd, encoding: "utf8", env });
  assert.ok(promised(text).length > 0, `${heading}: a program that says what it prints`);
  assert.equal(printed.trimEnd().split("\n"), promised(text), heading);
}

for (const block of using.filter(isProgram)) {
  documented(`using.md, ${block.heading}: the program prints what it says`, () =>
    check(block, process.cwd()),
  );
}

documented("a quotation is of the file that it names", () => {
  for (const { path, text } of [...contributing, ...using].filter(isQuotation))
    assert.ok(readFileSync(path as string, "utf8").includes(text), path as string);
});

/** The examples are added one after the other to one copy: the kernel is that of the op. */
for (const heading of new Set(contributing.map((block) => block.heading))) {
  const blocks = contributing.filter((block) => block.heading === heading);
  if (!blocks.some(({ language, path }) => language === "diff" || (path !== null && !existsSync(path)))) {
    for (const block of blocks.filter(isProgram)) {
      documented(`CONTRIBUTING, ${heading}: the program prints what it says`, () =>
        check(block, process.cwd()),
      );
    }
  } else {
    documented(`CONTRIBUTING, ${heading}: the example works in a copy of the checkout`, () => {
      const copy = copyOfCheckout();
      for (const block of blocks) apply(block, copy);
    });
  }
}

/** Does what a block says. */
function apply(block: Block, copy: string): void {
  const { language, path, text } = block;
  if (isProgram(block)) check(block, copy);
  else if (language === "diff") {
    const file = join(copy, path as string);
    writeFileSync(file, withLines(readFileSync(file, "utf8"), text));
  } else if (language === "ts" && !existsSync(path as string))
    writeFileSync(join(copy, path as string), text);
  else if (language === "sh") for (const line of text.split("\n").filter(Boolean)) runCommand(line, copy);
}

/** Runs a line of a shell block, without its comment, but not what takes minutes: full runs and checks of notebooks. */
function runCommand(line: string, cwd: string): void {
  const [written] = line.split(/\s+#/);
  if (/--full|--update/.test(written)) return;
  const command = written.replace(/^npm test --/, "node --import tsx test/runner/run.ts"); // npm itself takes a second
  const env = { ...process.env, LOWRANK_DEVICE: "cpu", NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(command, { cwd, encoding: "utf8", env, shell: true });
  assert.is(status, 0, `${command}\n${stdout}\n${stderr}`);
  if (command !== written) assert.match(stdout, /\n[1-9]\d* passed, 0 failed/, command);
}

/** What is built, written or installed, and what no example reads. */
const unneeded = /^(dist|out|gallery|\.cache|\.git|test.oracles)$|\bnode_modules$|\.ipynb$/;

/** The sources and the kernels, and a link to the packages. */
function copyOfCheckout(): string {
  const copy = join(folder, "copy");
  if (existsSync(copy)) return copy;
  const filter = (path: string): boolean => !unneeded.test(path);
  for (const entry of readdirSync(".").filter(filter))
    cpSync(entry, join(copy, entry), { recursive: true, filter });
  symlinkSync(resolve("node_modules"), join(copy, "node_modules"), "junction");
  return copy;
}

documented("every npm script is in CONTRIBUTING's table, and what a page names is there", () => {
  const text = readFileSync(CONTRIBUTING, "utf8");
  for (const name of Object.keys(scripts).filter((name) => !/^pre|^dependencies$/.test(name))) {
    const command = ["start", "test"].includes(name) ? `npm ${name}` : `npm run ${name}`;
    assert.match(text, `\`${command}`);
  }
  for (const page of [CONTRIBUTING, "notebooks/using.md", "README.md"]) {
    const words = readFileSync(page, "utf8");
    for (const [, name] of words.matchAll(/npm run (?:-s )?([\w:-]+)/g))
      assert.ok(scripts[name], `${page}: npm run ${name}`);
    for (const [, path] of words.matchAll(/(?:\]\(|srcset="|src=")((?!http|#)[^)#"]+)/g))
      assert.ok(existsSync(join(dirname(page), path)), `${page}: ${path}`);
  }
});

documented("the pages' own tools: blocks, promises, lines to add", () => {
  assert.equal(promised("console.log(1); // 1\nconsole.log(f()); // a, b\n"), ["1", "a, b"]);
  assert.equal(promised("for (const x of [1]) console.log(x);\n// 1\n// 2\n"), ["1", "2"]);
  assert.is(withLines("a\nb\nc\n", " a\n+x\n b\n"), "a\nx\nb\nc\n");
  assert.throws(() => withLines("a\nb\na\nb\n", " a\n+x\n b\n"), /once/);
  assert.throws(() => withLines("a\nc\n", " a\n+x\n b\n"), /once/);
});

documented.run();
