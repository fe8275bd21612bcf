import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CheckpointError } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as browser from "../../../core/files/disk.browser.ts";
import * as disk from "../../../core/files/disk.node.ts";
import { loadSafetensors, saveSafetensors } from "../../../core/files/safetensors/load.ts";
import { parseSafetensors } from "../../../core/files/safetensors/read.ts";
import { serializeSafetensors, tensorBytes } from "../../../core/files/safetensors/write.ts";

const test = suite<{ folder: string }>("disk", { folder: "" });

test.before.each((context) => {
  context.folder = fs.mkdtempSync(join(tmpdir(), "lowrank-test-"));
});
test.after.each(({ folder }) => fs.rmSync(folder, { recursive: true }));

const refused = (message: RegExp) => (error: unknown) =>
  error instanceof CheckpointError && message.test(error.message);

test("what was written is read, and nothing else is in the folder", ({ folder }) => {
  const path = join(folder, "a.bin");
  for (const content of [Uint8Array.of(1, 2, 3), new Uint8Array(), new Uint8Array(100_000).fill(7)]) {
    disk.writeFileAtomic(path, content);
    assert.equal(disk.readFile(path), content);
  }
  disk.writeFileAtomic(path, [Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3)]);
  assert.equal(disk.readFile(path), Uint8Array.of(1, 2, 3));
  assert.equal(disk.list(folder), ["a.bin"]);
});

test("a write that fails leaves the old file and nothing else", ({ folder }) => {
  const path = join(folder, "a.bin");
  disk.writeFileAtomic(path, Uint8Array.of(1));
  const parts = [Uint8Array.of(2), null as never]; // fails after the first part is in the temporary file
  assert.throws(() => disk.writeFileAtomic(path, parts), refused(/cannot write .*a\.bin/));
  assert.equal(disk.readFile(path), Uint8Array.of(1));
  fs.mkdirSync(join(folder, "taken"));
  fs.writeFileSync(join(folder, "taken", "x"), "");
  assert.throws(() => disk.writeFileAtomic(join(folder, "taken"), Uint8Array.of(1)), refused(/cannot write/)); // rename fails
  assert.throws(
    () => disk.writeFileAtomic(join(folder, "no", "a"), Uint8Array.of(1)),
    refused(/no such file/),
  );
  assert.equal(disk.list(folder), ["a.bin", "taken"]);
});

test("missing files and folders are CheckpointErrors that name the path", ({ folder }) => {
  const missing = join(folder, "missing");
  assert.throws(() => disk.readFile(missing), refused(/cannot read .*missing.*no such file/));
  assert.throws(() => disk.readFile(folder), refused(/cannot read/));
  assert.throws(() => disk.list(missing), refused(/cannot list .*missing/));
  assert.not.ok(disk.exists(missing));
  disk.remove(missing);
});

test("folders are made, and removed with their content", ({ folder }) => {
  const deep = join(folder, "a", "b");
  disk.makeFolder(deep);
  disk.makeFolder(deep);
  disk.writeFileAtomic(join(deep, "x"), Uint8Array.of(1));
  assert.ok(disk.exists(join(deep, "x")));
  disk.remove(join(folder, "a"));
  assert.equal(disk.list(folder), []);
  const temporary = disk.makeTemporaryFolder("lowrank-test-");
  assert.equal(disk.list(temporary), []);
  disk.remove(temporary);
  assert.not.ok(disk.exists(temporary));
});

test("safetensors are saved as they are serialized, and loaded back; messages name the file", ({
  folder,
}) => {
  const path = join(folder, "model.safetensors");
  const tensors = new Map([
    ["w", tensorBytes("F32", [2, 2], [1, 2, 3, 4])],
    ["b", tensorBytes("BF16", [2], [0.5, -0.5])],
  ]);
  saveSafetensors(path, tensors);
  assert.equal(disk.readFile(path), serializeSafetensors(tensors));
  const read = loadSafetensors(path);
  assert.equal([...read.tensors.keys()], ["w", "b"]);
  assert.equal(read.tensors.get("b")!.floats(), Float32Array.of(0.5, -0.5));
  assert.equal(read.metadata, new Map([["format", "pt"]]));
  const whole = fs.readFileSync(path);
  fs.writeFileSync(path, whole.subarray(0, whole.length - 1));
  assert.throws(
    () => loadSafetensors(path),
    refused(/model\.safetensors: tensor "b": ends at byte 20 .* cut short/),
  );
});

test("files written by PyTorch, PEFT and the safetensors library are written again byte for byte", () => {
  const oracles = fileURLToPath(new URL("../../oracles", import.meta.url));
  const files = fs.readdirSync(oracles, { recursive: true, encoding: "utf8" });
  const found = files.filter((file) => file.endsWith(".safetensors"));
  assert.ok(found.length > 0);
  for (const file of found) {
    const bytes = disk.readFile(join(oracles, file));
    const { tensors, metadata } = parseSafetensors(bytes, file);
    assert.equal(serializeSafetensors(tensors, { metadata, order: "given" }), bytes, file);
    if (!/adapter_model|model\.safetensors$/.test(file)) continue;
    // Models and adapters come from the library's own writer: its order and metadata are our defaults.
    assert.equal(serializeSafetensors([...tensors].reverse()), bytes, file);
  }
});

test("the browser's module has the same functions, and says what to do instead", () => {
  assert.equal(Object.keys(browser).sort(), Object.keys(disk).sort());
  assert.throws(() => browser.readFile("x"), refused(/readFile: a browser has no files; fetch/));
  assert.is(browser.exists("x"), false);
});

test.run();
