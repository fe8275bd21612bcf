/** @file `npm test` itself, on small suites in a folder of their own: choice by path and name, totals, watching. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runTests } from "./command.ts";
import { concerned, testFiles } from "./concerns.ts";
import { didYouMean } from "./options.ts";

mkdirSync(".cache", { recursive: true });
/** In the checkout, for its tsx and uvu. */
const home = resolve(mkdtempSync(join(".cache", "runner-")));
const checkout = process.cwd();

const files: Readonly<Record<string, string>> = {
  "lora/merge.ts": "export const merged = (W: number, BA: number): number => W + BA;\n",
  "lora/index.ts": 'export * from "./merge.ts";\n',
  "README.md": "Two tests read this.\n",
  "test/lora/merge.test.ts": `import { suite } from "uvu";
    import * as assert from "uvu/assert";
    import { merged } from "../../lora/merge.ts";
    const merge = suite("merging");
    merge.before(() => console.log("before merging"));
    merge("the sum", () => assert.is(merged(1, 2), 3));
    for (const n of [4, 5]) merge(\`W + 0 is W for \${n}\`, () => assert.is(merged(n, 0), n));
    merge.skip("on a machine that is not here");
    merge.run();
    const init = suite("init");
    init.before(() => console.log("before init"));
    init("B is zero", () => assert.ok(true));
    init.run();
  `,
  "test/readme.test.ts": `import { suite } from "uvu";
    import * as assert from "uvu/assert";
    import { readFileSync } from "node:fs";
    const readme = suite("README");
    readme("says who reads it", () => assert.match(readFileSync("README.md", "utf8"), /Two/));
    readme.run();
  `,
  "test/nn/fails.test.ts": `import { suite } from "uvu";
    import * as assert from "uvu/assert";
    const test = suite("failing");
    test("one is two", () => assert.is(1, 2, "they differ"));
    test("one is one", () => assert.is(1, 1));
    test.run();
  `,
};

const test = suite("npm test");

test.before.each(() => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(home, path, ".."), { recursive: true });
    writeFileSync(join(home, path), text);
  }
  process.chdir(home);
});
test.after(() => {
  process.chdir(checkout);
  rmSync(home, { recursive: true });
});

/** What `npm test -- ...args` prints, and its exit code. */
async function npmTest(
  ...args: string[]
): Promise<{ status: number; out: string; err: string; totals?: string }> {
  let [out, err] = ["", ""];
  const print = {
    log: (line: string) => (out += `${line}\n`),
    error: (line: string) => (err += `${line}\n`),
  };
  const status = await runTests(args, print);
  return { status, out, err, totals: out.trimEnd().split("\n").at(-1) };
}

test("runs all files, tells what fails whole, and ends with the totals", async () => {
  const { status, out, totals } = await npmTest();
  assert.is(status, 1);
  assert.is(totals, "6 passed, 1 failed, 1 skipped");
  assert.match(out, "✓ test/lora/merge.test.ts  4 passed, 1 skipped");
  assert.match(out, "✗ test/nn/fails.test.ts  1 passed, 1 FAILED");
  assert.match(out, /── test\/nn\/fails\.test\.ts\n[\s\S]*they differ/);
  const seconds = JSON.parse(readFileSync(".cache/test-seconds.json", "utf8"));
  assert.equal(Object.keys(seconds).sort(), testFiles().sort());
});

test("a part of a path chooses files; one that no path holds is refused with the nearest", async () => {
  const right = await npmTest("readme");
  assert.is(right.status, 0);
  assert.is(right.totals, "1 passed, 0 failed, 0 skipped");

  const wrong = await npmTest("lora", "raedme");
  assert.is(wrong.status, 1);
  assert.is(wrong.err, "npm test: no test file's path holds raedme; did you mean readme?\n");
  assert.is(wrong.out, "");
});

test("--grep chooses tests by a part of their name, computed ones too; the others are said, not skipped", async () => {
  const { status, out, totals } = await npmTest("--grep", "w + 0 IS");
  assert.is(status, 0);
  assert.is(totals, "2 passed, 0 failed, 0 skipped");
  assert.match(out, "✓ test/lora/merge.test.ts  2 passed, 3 left out");
  assert.match(out, '6 tests left out by --grep "w + 0 IS"');
  assert.not.match(out, "readme");
  assert.not.match(out, "nn");
});

test("--grep: a suite's name stands for its tests; a suite that is left out runs no hook", async () => {
  // The output of a file is shown when a test in it fails.
  writeFileSync("test/lora/merge.test.ts", files["test/lora/merge.test.ts"].replace("0), n", "1), n"));
  const { out, totals } = await npmTest("lora", "--grep", "merging");
  assert.is(totals, "1 passed, 2 failed, 1 skipped");
  assert.match(out, "before merging");
  assert.not.match(out, "before init");
  assert.not.match(out, "Left out: [");
});

test("--grep that no name holds is refused with words that are near", async () => {
  const { status, out, err } = await npmTest("lora", "--grep", "mergign");
  assert.is(status, 1);
  assert.is(err, 'npm test: --grep: no test holds "mergign" in its name; did you mean merging?\n');
  assert.is(out, "");
  assert.match((await npmTest("--grep", "")).err, "expected a part of a test's name");

  const names = ["merging: the sum", "init: B is zero", "init: A is not"];
  assert.is(didYouMean("the smu", names), "; did you mean the sum?");
  assert.is(didYouMean("b is zeor", names), "; did you mean B is zero?");
  assert.is(didYouMean("quantization", names), "");
});

test("a file that dies is a failure, with --grep too", async () => {
  writeFileSync("test/readme.test.ts", "throw new Error('at the top');\n");
  for (const args of [["readme"], ["readme", "--grep", "says"]]) {
    const { status, out, totals } = await npmTest(...args);
    assert.is(status, 1);
    assert.match(out, "at the top");
    assert.is(totals, "0 passed, 1 failed, 0 skipped");
  }
});

test("an unknown option is refused with the nearest; --help lists all there are", async () => {
  const { status, err, out } = await npmTest("--gerp", "merge");
  assert.is(status, 1);
  assert.match(err, /^npm test: Unknown option '--gerp'; did you mean --grep/);
  assert.is(out, "");

  const help = await npmTest("--help");
  assert.is(help.status, 0);
  for (const option of ["--grep TEXT", "--watch", "--changed", "--help"]) assert.match(help.out, option);
});

test("a change concerns the tests of its folder and those that name the file, but not through an index.ts", () => {
  const [merge, fails, readme] = ["test/lora/merge.test.ts", "test/nn/fails.test.ts", "test/readme.test.ts"];
  const all = [merge, fails, readme];
  assert.equal(concerned([], all), []);
  assert.equal(concerned(["lora/new.ts"], all), [merge]);
  assert.equal(concerned(["nn/optim/adam.ts"], all), [fails]);
  assert.equal(concerned(["README.md"], all), [readme]);
  assert.equal(concerned([fails], all), [fails]);
  assert.equal(concerned(["LICENSE"], all), []);

  mkdirSync("test/oracles", { recursive: true });
  writeFileSync("test/nn/support.ts", 'import "../../lora/index.ts";\nexport const cases = "../oracles";\n');
  writeFileSync(fails, 'import "./support.ts";\n');
  assert.equal(concerned(["test/nn/support.ts"], all), [fails]);
  assert.equal(concerned(["test/oracles/case.json"], all), [fails]);
  assert.equal(concerned(["lora/merge.ts"], all), [merge]);
  assert.equal(concerned(["lora/index.ts"], all), [merge, fails]);

  writeFileSync("README.md", "A block of it:\n```ts lora/merge.ts\n```\nand in words `nn/x.ts`\n");
  assert.equal(concerned(["lora/merge.ts"], all), [merge, readme]);
});

const changed = "--changed runs what the changes since the last commit concern";
if (spawnSync("git", ["--version"]).status !== 0) {
  console.log(`skipped: ${changed}: no git here`);
  test.skip(changed);
} else {
  test(changed, async () => {
    const git = (...args: string[]) =>
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { stdio: "ignore" });
    git("init");
    writeFileSync(".gitignore", ".cache/\n");
    git("add", ".");
    git("commit", "-m", "all");
    const none = await npmTest("--changed");
    assert.is(none.status, 0);
    assert.is(none.totals, "0 passed, 0 failed, 0 skipped");
    assert.match(none.out, "uncommitted changes concern no test");

    writeFileSync("lora/new.ts", ""); // not in the index
    writeFileSync("README.md", "Two of three.\n");
    assert.is((await npmTest("--changed")).totals, "5 passed, 0 failed, 1 skipped");
    assert.is((await npmTest("--changed", "readme")).totals, "1 passed, 0 failed, 0 skipped");
  });
}

test("--watch runs what was asked for, then what each change concerns", async () => {
  const run = join(checkout, "test/runner/run.ts");
  const watcher = spawn(process.execPath, ["--import", "tsx", run, "--watch", "lora"], { cwd: home });
  try {
    assert.match(await heard(watcher, "waiting for changes"), "4 passed, 0 failed, 1 skipped");

    writeFileSync("lora/merge.ts", "export const merged = (W: number, BA: number): number => W - BA;\n");
    const second = await heard(watcher, "waiting for changes");
    assert.match(second, "lora/merge.ts\n");
    assert.match(second, "3 passed, 1 failed, 1 skipped");

    writeFileSync("README.md", "Two, but none of test/lora, name this.\n");
    assert.match(await heard(watcher, "waiting for changes"), "README.md\nconcerns no test\n");
  } finally {
    watcher.kill();
  }
});

/** What the process prints, up to the line that holds `words`. */
function heard({ stdout }: ChildProcess, words: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const listen = (chunk: Buffer): void => {
      text += chunk;
      if (!text.includes(words)) return;
      stdout?.off("data", listen);
      resolve(text);
    };
    stdout?.on("data", listen);
    stdout?.once("close", () => reject(new Error(`ended without "${words}": ${text}`)));
  });
}

test.run();
