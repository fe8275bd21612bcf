/** @file Saves happen whole or not at all, wherever the process is killed. */

import * as fs from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSaved, writeFileAtomic, writeFilesAtomic } from "../../../core/files/disk.node.ts";
import { failingAt, killedAt, quickFolder, watching } from "../../support/faults.ts";

const test = suite<{ folder: string }>("saves", { folder: "" });

test.before.each((context) => {
  context.folder = quickFolder();
});
test.after.each(({ folder }) => fs.rmSync(folder, { recursive: true }));

const names = ["config.json", "model.safetensors", "tokenizer.json"];
const bytes = (text: string) => new TextEncoder().encode(text);
const filesOf = (save: string) => names.map((name) => [name, bytes(`${name} of ${save}`)] as const);
const write = (folder: string, save: string): void => writeFilesAtomic(folder, filesOf(save));
/** Which save the files are of: "A", "B"; "AB" for a mix. */
const read = (folder: string): string =>
  readSaved(folder, (file) => names.map((name) => new TextDecoder().decode(file(name)).slice(-1)))
    .filter((save, i, all) => all.indexOf(save) === i)
    .join("");

test("killed before any of its changes, a save of several files is there whole or not at all", ({
  folder,
}) => {
  const seen: string[] = [];
  for (let k = 0; ; k++) {
    write(folder, "A");
    const cut = killedAt(k, () => write(folder, "B"));
    seen.push(read(folder));
    if (k % 2) killedAt(k, () => write(folder, "C")); // the next may be killed as well
    const again = read(folder);
    assert.ok(again === seen[k] || again === "C", `a load changes nothing: ${seen[k]}, then ${again}`);
    write(folder, "D");
    assert.is(read(folder), "D");
    assert.equal(fs.readdirSync(folder), names);
    if (!cut) break;
  }
  assert.match(seen.join(""), /^A{10,}B{10,}$/);
});

test("the same without hard links, and without old files", ({ folder }) => {
  const noLinks = (save: () => void): void =>
    watching((name) => {
      if (name === "linkSync") throw Object.assign(new Error("EPERM: no links here"), { code: "EPERM" });
    }, save);
  for (let k = 0, cut = true; cut; k++) {
    cut = killedAt(k, () => noLinks(() => write(folder, "B")));
    readSaved(folder, () => null);
    const visible = fs.readdirSync(folder).filter((name) => !name.startsWith("."));
    assert.ok(visible.length === 0 || (visible.length === 3 && read(folder) === "B"), visible.join());
    noLinks(() => write(folder, "C"));
    assert.is(read(folder), "C");
    assert.equal(fs.readdirSync(folder), names);
    for (const name of names) fs.rmSync(join(folder, name));
  }
});

test("a file that the new save removes goes with it", ({ folder }) => {
  const without = () =>
    writeFilesAtomic(folder, [
      ["a", bytes("B")],
      ["gone", null],
      ["b", bytes("B")],
      ["never there", null],
    ]);
  const content = () => fs.readdirSync(folder).map((name) => name + fs.readFileSync(join(folder, name)));
  const seen = new Set<string>();
  for (let k = 0, cut = true; cut; k++) {
    writeFilesAtomic(folder, [
      ["a", bytes("A")],
      ["gone", bytes("A")],
      ["b", bytes("A")],
    ]);
    cut = killedAt(k, without);
    readSaved(folder, () => null);
    seen.add(
      content()
        .filter((text) => !text.startsWith("."))
        .join(),
    );
    if (!cut) continue;
    const failed = k;
    try {
      failingAt(failed, "EIO", without);
    } catch (error) {
      assert.instance(error, CheckpointError);
    }
    without();
    assert.equal(content(), ["aB", "bB"]);
  }
  assert.equal([...seen], ["aA,bA,goneA", "aB,bB"]);
});

test("a disk that refuses any one change: an error that names the path, the old files, and nothing else", ({
  folder,
}) => {
  for (const code of ["ENOSPC", "EIO", "EACCES"]) {
    let refused = 0;
    for (let k = 0; ; k++) {
      write(folder, "A");
      let done = false;
      try {
        const failed = failingAt(k, code, () => write(folder, "B"));
        done = true;
        if (!failed) break;
      } catch (error) {
        refused++;
        assert.instance(error, CheckpointError);
        const { message } = error as Error;
        assert.ok(message.includes(folder) && message.includes(code), message);
      }
      const found = read(folder);
      assert.ok(found === (done ? "B" : "A"), `${code} at ${k}: ${found}`);
      const left = fs.readdirSync(folder).filter((name) => !names.includes(name));
      assert.ok(left.length <= 1, left.join()); // where it was the removal that was refused
      write(folder, "C");
      assert.equal(fs.readdirSync(folder), names);
    }
    assert.ok(refused > 15, `${refused}`);
  }
});

test("one file, when its save is killed or refused anywhere, is the old or the new one", ({ folder }) => {
  const path = join(folder, "run.safetensors");
  const now = () => fs.readFileSync(path, "utf8");
  for (let k = 0, cut = true; cut; k++) {
    writeFileAtomic(path, bytes("A"));
    cut = killedAt(k, () => writeFileAtomic(path, [bytes("B"), bytes("B")]));
    assert.ok(["A", "BB"].includes(now()));
    writeFileAtomic(path, bytes("A"));
    assert.equal(fs.readdirSync(folder), ["run.safetensors"]);
    try {
      failingAt(k, "ENOSPC", () => writeFileAtomic(path, bytes("B")));
    } catch (error) {
      assert.instance(error, CheckpointError);
      assert.match((error as Error).message, /cannot write .*run\.safetensors: ENOSPC/);
      assert.is(now(), "A");
    }
  }
});

test("temporary files of running processes stay, those of ended ones are removed, under any name", ({
  folder,
}) => {
  const path = join(folder, "run.ckpt");
  const plant = (name: string, age = 0): string => {
    fs.writeFileSync(join(folder, name), "half");
    fs.utimesSync(join(folder, name), Date.now() / 1000 - age, Date.now() / 1000 - age);
    return name;
  };
  const kept = [
    plant(`.run.ckpt.${process.ppid}.0123456789abcdef.tmp`), // another process is writing it
    plant(`.run.ckpt.${process.pid}.0.tmp`), // another thread of this one
    plant(".other.ckpt.999999999.0.tmp", 1e6), // of another file
    plant(".run.ckpt.notes.tmp", 1e6), // not ours
    "run.ckpt",
  ];
  plant(`.run.ckpt.${process.pid}.1.tmp`, 1000); // of a process that had this number before
  plant(`.run.ckpt.${process.ppid}.2.tmp`, 4000); // forgotten
  plant(".run.ckpt.999999999.0123456789abcdef.tmp");
  fs.mkdirSync(join(folder, ".run.ckpt.999999999.7.tmp")); // what cannot be removed stops nothing
  writeFileAtomic(path, bytes("B"));
  assert.equal(fs.readdirSync(folder).sort(), [...kept, ".run.ckpt.999999999.7.tmp"].sort());
});

test("a folder that may not be written to is read through the journal", ({ folder }) => {
  write(folder, "A");
  killedAt(2, () => write(folder, "B"), "renameSync");
  const before = fs.readdirSync(folder);
  const through = watching(
    (name, [, flags]) => {
      if (["closeSync", "readFileSync"].includes(name) || (name === "openSync" && flags === "r")) return;
      throw Object.assign(new Error("EROFS: read-only file system"), { code: "EROFS" });
    },
    () => read(folder),
  );
  assert.is(through, "B");
  assert.equal(fs.readdirSync(folder), before);
  assert.is(read(folder), "B");
  assert.equal(fs.readdirSync(folder), names);
});

test("files changed after an interrupted save are not overwritten by what is left of it", ({ folder }) => {
  for (const [renames, name] of [0, 1, 2].flatMap((k) => names.map((name) => [k, name] as const))) {
    write(folder, "A");
    assert.ok(killedAt(renames, () => write(folder, "B"), "renameSync"));
    fs.writeFileSync(join(folder, name), "edited by hand C");
    assert.throws(
      () => read(folder),
      (error: unknown) =>
        error instanceof CheckpointError &&
        /interrupted.*changed afterwards.*\.lowrank-save\.json/.test(error.message),
    );
    assert.is(fs.readFileSync(join(folder, name), "utf8"), "edited by hand C");
    write(folder, "D");
    assert.is(read(folder), "D");
    assert.equal(fs.readdirSync(folder), names);
  }
});

test("a journal from elsewhere moves nothing but a save's own files", ({ folder }) => {
  write(folder, "A");
  const step = {
    name: "config.json",
    temporary: ".config.json.1.0.tmp",
    backup: ".config.json.1.1.tmp",
    before: null,
    after: null,
  };
  const texts = [
    "",
    "[]",
    "null",
    '{"steps": 1}',
    `${"[".repeat(1e5)}${"]".repeat(1e5)}`,
    ...[
      { ...step, name: "../config.json" },
      { ...step, name: ".." },
      { ...step, name: 7 },
      { ...step, name: ".lowrank-save.json" },
      { ...step, temporary: "model.safetensors" },
      { ...step, temporary: "../.config.json.1.0.tmp" },
      { ...step, backup: "tokenizer.json" },
      { ...step, backup: undefined },
      { ...step, before: 3 },
      null,
    ].map((one) => JSON.stringify({ steps: [one] })),
  ];
  for (const text of texts) {
    fs.writeFileSync(join(folder, ".lowrank-save.json"), text);
    assert.throws(
      () => read(folder),
      (error: unknown) => error instanceof CheckpointError && error.message.includes(".lowrank-save.json"),
      text.slice(0, 80),
    );
    assert.equal(fs.readdirSync(folder), [".lowrank-save.json", ...names]);
  }
  write(folder, "B");
  assert.equal(fs.readdirSync(folder), names);
});

test("a load beside a save reads all files of one save", ({ folder }) => {
  write(folder, "A");
  for (let moment = 0; ; moment++) {
    let saved = "A";
    let reads = 0;
    const found = readSaved(folder, (file) =>
      names.map((name) => {
        if (reads++ === moment) write(folder, (saved = saved === "A" ? "B" : "A"));
        return new TextDecoder().decode(file(name)).slice(-1);
      }),
    );
    assert.is(found.join(""), saved.repeat(3));
    write(folder, "A");
    if (moment > reads) break;
  }
  let other = 0;
  assert.throws(
    () =>
      readSaved(folder, (file) => {
        for (const name of names) file(name);
        write(folder, `${other++}`);
      }),
    (error: unknown) => error instanceof CheckpointError && /keeps saving/.test(error.message),
  );
});

test("bad places: an error that names the path, and no file left", ({ folder }) => {
  fs.writeFileSync(join(folder, "file"), "");
  fs.mkdirSync(join(folder, "config.json"));
  const refused = (action: () => void, message: RegExp) =>
    assert.throws(
      action,
      (error: unknown) => error instanceof CheckpointError && message.test(error.message),
    );
  refused(() => write(join(folder, "absent"), "A"), /cannot write .*absent.config\.json: ENOENT/);
  refused(() => write(join(folder, "file"), "A"), /cannot write.*file.*ENOTDIR/);
  refused(() => write(folder, "A"), /cannot write .*config\.json: a folder of that name/);
  refused(() => writeFileAtomic(join(folder, "config.json"), bytes("A")), /cannot write .*config\.json/);
  refused(() => writeFileAtomic(join(folder, "nul\0"), bytes("A")), /cannot write .*nul/);
  refused(() => writeFileAtomic(undefined as never, bytes("A")), /cannot write undefined/);
  refused(() => writeFileAtomic(join(folder, "x".repeat(256)), bytes("A")), /cannot write .*ENAMETOOLONG/);
  assert.throws(
    () => writeFilesAtomic(folder, [["../a", bytes("A")]]),
    /expected names of files; got name "\.\.\/a"/,
  );
  assert.equal(fs.readdirSync(folder), ["config.json", "file"]);
});

test("odd names: spaces, dots, other alphabets, as long as the system allows", ({ folder }) => {
  const odd = ["a b", "..a", "-x", "*?", "é\u{1f600}\n'\"", "%2e", "x".repeat(255), "y.1.0.tmp"];
  for (let k = 0; k < 40; k += 7) {
    killedAt(k, () =>
      writeFilesAtomic(
        folder,
        odd.map((name) => [name, bytes("A")]),
      ),
    );
    writeFilesAtomic(
      folder,
      odd.map((name) => [name, bytes(name)]),
    );
    assert.equal(fs.readdirSync(folder).sort(), [...odd].sort());
    for (const name of odd) assert.is(fs.readFileSync(join(folder, name), "utf8"), name);
  }
});

test.run();
