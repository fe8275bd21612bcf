/** @file draftFolder: a folder of large files appears whole or not at all, whatever happens meanwhile. */

import * as fs from "node:fs";
import * as fc from "fast-check";
import { CheckpointError, draftFolder, listFolder, makeTemporaryFolder, removeFile } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("drafts of folders");
const root = makeTemporaryFolder("lowrank-folder-");
let made = 0;
const fresh = (): string => `${root}/${made++}`;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(listFolder(folder).map((name) => [name, fs.readFileSync(`${folder}/${name}`, "utf8")]));

/** Files that are written in pieces, in any order. */
const file = fc.record({
  name: fc.constantFrom("a.bin", "b.json", "c d", "é"),
  text: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 }),
  seed: fc.nat(100),
});
const filesOf = fc.uniqueArray(file, { selector: ({ name }) => name, minLength: 1, maxLength: 4 });

function write(
  folder: string,
  files: readonly { name: string; text: string; seed: number }[],
  overwrite: boolean,
) {
  const draft = draftFolder(folder, { overwrite });
  for (const { name, text, seed } of files) {
    const target = draft.create(name, bytes(text).length);
    const cut = seed % (text.length + 1);
    for (const [part, at] of [
      [text.slice(cut), cut],
      [text.slice(0, cut), 0],
    ] as const)
      target.write(bytes(part), at);
  }
  return draft;
}

test("a new folder holds what was written, in whatever order its pieces came, and nothing before commit", () => {
  fc.assert(
    fc.property(filesOf, fc.boolean(), (files, isDeep) => {
      const [top] = [fresh()];
      const folder = isDeep ? `${top}/x/y` : top;
      const draft = write(folder, files, false);
      assert.not.ok(fs.existsSync(folder));
      draft.commit();
      draft.discard(); // a no-op
      assert.equal(contents(folder), Object.fromEntries(files.map(({ name, text }) => [name, text])));
      assert.equal(
        listFolder(isDeep ? `${top}/x` : root).filter((name) => name.endsWith(".tmp")),
        [],
      );
    }),
    { numRuns: 25 }, // each waits for the disk
  );
});

test("a discarded draft leaves nothing: no folder, no folders above it, no temporary names", () => {
  fc.assert(
    fc.property(filesOf, fc.boolean(), (files, isDeep) => {
      const before = listFolder(root);
      write(isDeep ? `${fresh()}/x/y` : fresh(), files, false).discard();
      assert.equal(listFolder(root), before);
    }),
    { numRuns: 25 }, // each waits for the disk
  );
});

test("into a folder with files all come at once, others stay, those named go; a discarded draft changes nothing", () => {
  fc.assert(
    fc.property(filesOf, filesOf, fc.boolean(), (old, files, isKept) => {
      const folder = fresh();
      write(folder, old, false).commit();
      fs.writeFileSync(`${folder}/notes`, "mine");
      fs.writeFileSync(`${folder}/stale`, "old");
      const before = contents(folder);
      assert.throws(
        () => draftFolder(folder),
        (e: Error) => e instanceof CheckpointError && /expected a new or empty folder/.test(e.message),
      );
      const draft = write(folder, files, true);
      if (isKept) draft.commit(["stale", "absent"]);
      else draft.discard();
      const { stale: _, ...rest } = before;
      const after = { ...rest, ...Object.fromEntries(files.map(({ name, text }) => [name, text])) };
      assert.equal(contents(folder), isKept ? after : before);
    }),
    { numRuns: 25 }, // each waits for the disk
  );
});

test("what a killed process has left beside the place is removed by the next draft of it; a file in the place is refused", () => {
  const folder = fresh();
  const left = `${root}/.${made - 1}.999999999.0.tmp`;
  fs.mkdirSync(left);
  fs.writeFileSync(`${left}/half`, "");
  draftFolder(folder).discard();
  assert.not.ok(fs.existsSync(left));
  fs.writeFileSync(folder, "");
  assert.throws(
    () => draftFolder(folder, { overwrite: true }),
    /expected a folder to write to, or a new name; a file is there/,
  );
  assert.throws(
    () => draftFolder(`${folder}/below`),
    (e: Error) => e instanceof CheckpointError,
  );
  const draft = draftFolder(fresh());
  for (const name of ["../x", "a/b", "", ".."]) assert.throws(() => draft.create(name, 1), /names of files/);
  draft.discard();
});

const inProc = fs.existsSync("/proc/self") ? test : test.skip; // Linux alone has such a place

inProc("a folder where the system lets none be made is refused, and does not wait for ever", () => {
  assert.throws(
    () => draftFolder("/proc/lowrank/a/b"),
    (e: Error) => e instanceof CheckpointError && /cannot write to/.test(e.message),
  );
});

test.after(() => removeFile(root));
test.run();
