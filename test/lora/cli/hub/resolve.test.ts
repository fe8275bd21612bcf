/** @file From a name to a folder without a network: paths, and snapshots of the Hub's cache as huggingface_hub leaves them. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { resolveFolder } from "../../../../lora/cli/hub/index.ts";
import { hubCache } from "../../../../lora/cli/hub/place.ts";

const test = suite<{ cache: string }>("names of folders");
test.before.each((context) => {
  context.cache = mkdtempSync(join(tmpdir(), "lowrank-cache-"));
});
test.after.each(({ cache }) => rmSync(cache, { recursive: true, force: true }));

const commit = "0123456789abcdef0123456789abcdef01234567";
const other = "f123456789abcdef0123456789abcdef01234567";

/** Writes files as huggingface_hub does: contents among the blobs, links in the snapshot, the commit in refs. */
function write(cache: string, repo: string, files: readonly string[], commit: string, ref?: string): string {
  const folder = join(cache, `models--${repo.replace("/", "--")}`);
  const snapshot = join(folder, "snapshots", commit);
  for (const place of [join(folder, "blobs"), snapshot]) mkdirSync(place, { recursive: true });
  for (const name of files) {
    const content = name.endsWith("index.json")
      ? '{"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}'
      : "{}";
    writeFileSync(join(folder, "blobs", name), content);
    symlinkSync(`../../blobs/${name}`, join(snapshot, name));
  }
  if (ref !== undefined) {
    mkdirSync(dirname(join(folder, "refs", ref)), { recursive: true });
    writeFileSync(join(folder, "refs", ref), commit);
  }
  return snapshot;
}

const refused = (name: string, env: Record<string, string>, message: RegExp): void =>
  void assert.throws(
    () => resolveFolder(name, { env, who: "--base" }),
    (error: Error) => {
      assert.match(error.message, message);
      return true;
    },
  );

test("a folder is itself; a name is the snapshot of its main branch, a revision that of its own", ({
  cache,
}) => {
  const env = { HF_HUB_CACHE: cache };
  assert.is(resolveFolder(cache, { env }), cache);
  const main = write(cache, "org/m", ["config.json", "model.safetensors"], commit, "main");
  const pr = write(
    cache,
    "org/n",
    ["config.json", "model.safetensors.index.json", "a.safetensors", "b.safetensors"],
    other,
    "refs/pr/1",
  );
  const adapter = write(cache, "old", ["adapter_config.json", "adapter_model.safetensors"], commit, "main");
  assert.is(resolveFolder("org/m", { env }), main);
  assert.is(resolveFolder(`org/m@${commit}`, { env }), main);
  assert.is(resolveFolder("org/m@0123456", { env }), main);
  assert.is(resolveFolder("org/n@refs/pr/1", { env }), pr);
  assert.is(resolveFolder("old", { env }), adapter);
  refused(
    "org/n",
    env,
    new RegExp(
      `^--base: there is no folder org/n; and no model of that name in the Hub's cache .*; it holds org/n@${other}: lowrank download org/n$`,
    ),
  );
  refused("org/m@v2", env, /lowrank download org\/m --revision v2$/);
});

test("what is not in the cache, or only a part of it, is refused with what to do", ({ cache }) => {
  const env = { HF_HUB_CACHE: cache };
  refused(
    "org/none",
    env,
    /^--base: there is no folder org\/none; and no model of that name in the Hub's cache .*: lowrank download org\/none$/,
  );
  refused(
    "no/such/folder",
    env,
    /^--base: there is no folder no\/such\/folder; expected the path of a folder$/,
  );
  refused("./none", env, /there is no folder/);
  refused("../none", env, /there is no folder/);
  refused("", env, /expected the path of a folder/);
  writeFileSync(join(cache, "file"), "");
  refused(join(cache, "file"), env, /expected the path of a folder; .* is a file/);
  write(cache, "org/part", ["config.json", "model.safetensors.index.json", "a.safetensors"], commit, "main");
  refused(
    "org/part",
    env,
    /only a part \(the shard b\.safetensors of model\.safetensors\.index\.json is not there\): lowrank download org\/part/,
  );
  write(cache, "org/config", ["config.json"], commit, "main");
  refused("org/config", env, /only a part \(without weights\)/);
  write(cache, "org/bin", ["config.json", "pytorch_model.bin"], commit, "main");
  refused("org/bin", env, /only a part \(no weights as safetensors, but pytorch_model\.bin/);
  const snapshot = write(cache, "org/gone", ["config.json", "model.safetensors"], commit, "main");
  rmSync(join(snapshot, "../../blobs/model.safetensors")); // a link to nothing
  refused("org/gone", env, /holds only a part/);
});

test("the cache is where huggingface_hub has it, by the same variables in the same order", () => {
  const HOME = "/home/me";
  assert.is(hubCache({ HOME }), "/home/me/.cache/huggingface/hub");
  assert.is(hubCache({ HOME, XDG_CACHE_HOME: "/x" }), "/x/huggingface/hub");
  assert.is(hubCache({ HOME, XDG_CACHE_HOME: "/x", HF_HOME: "~/hf" }), "/home/me/hf/hub");
  assert.is(hubCache({ HOME, HF_HOME: "/hf", HUGGINGFACE_HUB_CACHE: "/old" }), "/old");
  assert.is(
    hubCache({
      HOME,
      HF_HOME: "/hf",
      HUGGINGFACE_HUB_CACHE: "/old",
      HF_HUB_CACHE: "$DISK/hub",
      DISK: "/big",
    }),
    "/big/hub",
  );
});

test.run();
