/**
 * @file `lowrank download` against a server on the loopback address that imitates the Hub: only what is needed comes, into
 * the layout of huggingface_hub's cache; what breaks off is gone on with; what is wrong is not kept.
 */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { putInSnapshot } from "../../../../lora/cli/hub/link.ts";
import { importHub, isInside } from "../../../../lora/cli/hub/listing.ts";
import { checkRevision, isRepo } from "../../../../lora/cli/hub/place.ts";
import { lowrank, type Ran } from "../run.ts";
import { gitHash, type Hub, nameOf, type Served, sha256, startHub } from "./server.ts";

interface Context {
  hub: Hub;
  cache: string;
}
const test = suite<Context>("download");
test.before.each(async (context) => {
  context.hub = await startHub();
  context.cache = mkdtempSync(join(tmpdir(), "lowrank-hub-"));
});
test.after.each(async ({ hub, cache }) => {
  await hub.close();
  rmSync(cache, { recursive: true, force: true });
});

const bytes = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) % 251);
const large = (length: number, seed?: number): Served => ({ bytes: bytes(length, seed), large: true });

/** A model with everything that repositories have beside what is needed. */
const model = {
  "config.json": '{"model_type": "llama"}',
  "generation_config.json": "{}",
  "tokenizer.json": { bytes: bytes(2000), large: true },
  "tokenizer_config.json": '{"a": 1}',
  "model.safetensors": large(300_000),
  "pytorch_model.bin": large(1000),
  "tf_model.h5": large(1000, 2),
  "model.onnx": large(1000, 3),
  "README.md": "# A card",
  ".gitattributes": "*.safetensors lfs",
};
const needed = [
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
];

const download = ({ hub, cache }: Context, argv: string[], env: Record<string, string> = {}): Promise<Ran> =>
  lowrank(["download", ...argv], { env: { HF_ENDPOINT: hub.url, HF_HUB_CACHE: cache, HOME: cache, ...env } });

const served = (file: Served | string): Served =>
  typeof file === "string" ? { bytes: Buffer.from(file) } : file;
const contents = (log: Hub["log"]): string[] =>
  log.map(({ line }) => line).filter((line) => /^GET (?!\/api)/.test(line));

/** The files in the cache that are in place, by their paths under it. */
function inPlace(cache: string): string[] {
  if (!existsSync(cache)) return [];
  const all = readdirSync(cache, { recursive: true, encoding: "utf8" });
  return all
    .filter((path) => !lstatSync(join(cache, path)).isDirectory() && !/\.incomplete$/.test(path))
    .sort();
}

test("what is needed comes, and nothing else, into the layout of the Hub's cache", async (context) => {
  const { hub, cache } = context;
  const commit = hub.add("org/some-model", model);
  const ran = await download(context, ["org/some-model"]);
  assert.is(ran.code, 0, ran.stderr);
  const repo = join(cache, "models--org--some-model");
  const folder = join(repo, "snapshots", commit);
  assert.is(ran.stdout, `${folder}\n`);
  assert.equal(readdirSync(folder).sort(), needed);
  assert.is(readFileSync(join(repo, "refs", "main"), "utf8"), commit);
  for (const name of needed) {
    const file = served(model[name as keyof typeof model]);
    assert.is(readlinkSync(join(folder, name)), join("..", "..", "blobs", nameOf(file)));
    assert.equal(new Uint8Array(readFileSync(join(folder, name))), new Uint8Array(file.bytes));
  }
  assert.equal(
    readdirSync(join(repo, "blobs")).sort(),
    needed.map((name) => nameOf(served(model[name as keyof typeof model]))).sort(),
  );
});

test("what is there is not downloaded again, not even by another revision; a damaged content is", async (context) => {
  const { hub, cache } = context;
  hub.add("org/m", model);
  await download(context, ["org/m"]);
  const other = hub.add("org/m", { ...model, "config.json": '{"model_type": "gpt2"}' }, "refs/pr/1");
  hub.log.length = 0;
  assert.is((await download(context, ["org/m"])).code, 0);
  assert.equal(contents(hub.log), []);
  const ran = await download(context, ["org/m", "--revision", "refs/pr/1", "--json"]);
  assert.is(ran.code, 0, ran.stderr);
  assert.equal(contents(hub.log), [`GET /org/m/resolve/${other}/config.json`]);
  assert.is(readFileSync(join(cache, "models--org--m", "refs", "refs", "pr", "1"), "utf8"), other);
  const document = ran.json<{ commit: string; bytes: number; files: { name: string; cached: boolean }[] }>();
  assert.is(document.commit, other);
  assert.equal(
    document.files.filter(({ cached }) => !cached).map(({ name }) => name),
    ["config.json"],
  );

  const blob = join(cache, "models--org--m", "blobs", sha256(model["model.safetensors"].bytes));
  writeFileSync(blob, bytes(300_000, 9)); // of the right size
  hub.log.length = 0;
  assert.is((await download(context, ["org/m"])).code, 0);
  assert.is(contents(hub.log).length, 2); // the Hub's answer, and the host that it points to
  assert.is(sha256(readFileSync(blob)), sha256(model["model.safetensors"].bytes));
});

test("of shards those that the index names; of an adapter its two files", async (context) => {
  const { hub } = context;
  const weight_map = {
    a: "model-00001-of-00002.safetensors",
    b: "model-00002-of-00002.safetensors",
    c: "model-00001-of-00002.safetensors",
  };
  const shards = {
    "config.json": "{}",
    "model.safetensors.index.json": JSON.stringify({ weight_map }),
    "model-00001-of-00002.safetensors": large(5000),
    "model-00002-of-00002.safetensors": large(6000),
    "consolidated.safetensors": large(7000),
    "pytorch_model.bin.index.json": "{}",
  };
  hub.add("org/shards", shards);
  const ran = await download(context, ["org/shards", "--json"]);
  assert.is(ran.code, 0, ran.stderr);
  const names = ran.json<{ files: { name: string }[] }>().files.map(({ name }) => name);
  assert.equal(names.sort(), [
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ]);

  hub.add("me/adapter", {
    "adapter_config.json": "{}",
    "adapter_model.safetensors": large(100),
    "adapter_model.bin": large(100, 2),
    "README.md": "",
    "checkpoint.pt": "",
  });
  const adapter = await download(context, ["me/adapter", "--json"]);
  assert.is(adapter.code, 0, adapter.stderr);
  assert.equal(
    adapter.json<{ files: { name: string }[] }>().files.map(({ name }) => name),
    ["adapter_config.json", "adapter_model.safetensors"],
  );

  const { "model-00002-of-00002.safetensors": _, ...incomplete } = shards;
  hub.add("org/gone", incomplete);
  const gone = await download(context, ["org/gone"]);
  assert.is(gone.code, 1);
  assert.match(
    gone.stderr,
    /org\/gone: the shard model-00002-of-00002\.safetensors of model\.safetensors\.index\.json is not there/,
  );
});

test("a connection that breaks at any byte is gone on with, and the content is right", async (context) => {
  const { hub, cache } = context;
  const file = large(5000, 4);
  const commit = hub.add("org/m", { "config.json": "{}", "model.safetensors": file });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 5000 }), fc.boolean(), async (after, noRanges) => {
      rmSync(join(cache, "models--org--m"), { recursive: true, force: true });
      Object.assign(hub.faults, { cut: { name: "model.safetensors", after, times: 1 }, noRanges });
      const ran = await download(context, ["org/m"]);
      assert.is(ran.code, 0, ran.stderr);
      const path = join(cache, "models--org--m", "snapshots", commit, "model.safetensors");
      assert.is(sha256(readFileSync(path)), sha256(file.bytes));
    }),
    {
      numRuns: 6,
      examples: [
        [0, false],
        [4999, false],
        [2500, true],
      ],
    },
  );
});

test("a connection that keeps breaking leaves nothing in place, and the next download asks for the rest only", async (context) => {
  const { hub, cache } = context;
  hub.add("org/m", { "config.json": "{}", "model.safetensors": large(5000, 4) });
  const partial = join(cache, "models--org--m", "blobs", `${sha256(bytes(5000, 4))}.lowrank.incomplete`);
  hub.faults.cut = { name: "model.safetensors", after: 0, times: 100 };
  mkdirSync(join(partial, ".."), { recursive: true });
  writeFileSync(partial, bytes(5000, 4).subarray(0, 1234)); // as a killed download leaves it
  const failed = await download(context, ["org/m"]);
  assert.is(failed.code, 1);
  assert.match(
    failed.stderr,
    /org\/m: model\.safetensors: interrupted after 1234 of 5000 bytes: .* the same command goes on from there\n$/,
  );
  assert.equal(inPlace(cache), [join("models--org--m", "blobs", gitHash(Buffer.from("{}")))]);
  assert.not(existsSync(join(cache, "models--org--m", "refs")));

  hub.faults.cut = undefined;
  hub.log.length = 0;
  assert.is((await download(context, ["org/m"])).code, 0);
  assert.equal(
    hub.log.filter(({ range }) => range).map(({ range }) => range),
    ["bytes=1234-", "bytes=1234-"],
  );
});

test("what an earlier download left is not trusted: a wrong beginning is thrown away", async (context) => {
  const { hub, cache } = context;
  const commit = hub.add("org/m", { "config.json": "{}", "model.safetensors": large(5000, 4) });
  const blobs = join(cache, "models--org--m", "blobs");
  mkdirSync(blobs, { recursive: true });
  for (const [left, length] of [
    [2000, 2000],
    [5000, 5000],
    [9000, 9000],
  ]) {
    rmSync(join(blobs, sha256(bytes(5000, 4))), { force: true });
    writeFileSync(join(blobs, `${sha256(bytes(5000, 4))}.lowrank.incomplete`), bytes(left, 8));
    const ran = await download(context, ["org/m"]);
    assert.is(ran.code, 0, `${length}: ${ran.stderr}`);
    const path = join(cache, "models--org--m", "snapshots", commit, "model.safetensors");
    assert.is(sha256(readFileSync(path)), sha256(bytes(5000, 4)));
  }
});

for (const fault of ["flip", "longer"] as const)
  for (const name of ["model.safetensors", "config.json"])
    test(`content that is not what the Hub lists is refused, nothing of it kept: ${name}, ${fault}`, async (context) => {
      const { hub, cache } = context;
      hub.add("org/m", model);
      hub.faults[fault] = name;
      const ran = await download(context, ["org/m"]);
      assert.is(ran.code, 1);
      assert.match(ran.stderr, new RegExp(`org/m: ${name}: what came is not the file that the Hub lists`));
      assert.is(ran.stdout, "");
      const all = readdirSync(cache, { recursive: true, encoding: "utf8" });
      assert.equal(
        all.filter((path) => /snapshots|refs|incomplete|\.lock$/.test(path)),
        [],
      );
      assert.not(
        existsSync(join(cache, "models--org--m", "blobs", nameOf(served(model[name as keyof typeof model])))),
      );
      hub.faults[fault] = undefined;
      assert.is((await download(context, ["org/m"])).code, 0);
    });

test("a server that stalls is not waited for: the rest is asked for again", async (context) => {
  const { hub } = context;
  hub.add("org/m", model);
  hub.faults.stall = { name: "model.safetensors", after: 1000, times: 1 };
  const ran = await download(context, ["org/m"], { HF_HUB_DOWNLOAD_TIMEOUT: "0.3" });
  assert.is(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /no byte from http:\/\/127\.0\.0\.1:\d+ for 0\.3 s; going on at byte \d+/);
  hub.faults.silent = "/api/";
  const silent = await download(context, ["org/other"], { HF_HUB_ETAG_TIMEOUT: "0.1" });
  assert.is(silent.code, 1);
  assert.match(silent.stderr, /has not answered for 0\.1 s, and revision main of it is not in the cache/);
});

test("a busy server is asked again; refusals are told with what to do", async (context) => {
  const { hub } = context;
  hub.add("org/m", model);
  hub.faults.statuses = [
    { status: 503 },
    { status: 429, headers: { "retry-after": "0.01" } },
    { status: 500 },
  ];
  assert.is((await download(context, ["org/m"])).code, 0);
  const refused = async (
    status: number,
    headers: Record<string, string>,
    env?: Record<string, string>,
    argv = ["org/x"],
  ): Promise<string> => {
    hub.faults.statuses = [{ status, headers, body: "{}" }];
    const ran = await download(context, argv, env);
    assert.is(ran.code, 1);
    assert.is(ran.stderr.split("\n").length, 2, ran.stderr);
    return ran.stderr;
  };
  assert.match(
    await refused(401, { "x-error-code": "GatedRepo" }),
    /org\/x: access to it is restricted \(401\): ask for it at http:.*\/org\/x; set HF_TOKEN/,
  );
  assert.match(
    await refused(403, { "x-error-code": "GatedRepo" }, { HF_TOKEN: "hf_abc" }),
    /the token that was given \(HF_TOKEN\) has no access/,
  );
  assert.match(
    await refused(401, { "x-error-code": "RepoNotFound" }),
    /no such model at .*, or it is private/,
  );
  assert.match(await refused(404, {}), /org\/x: there is no such model/);
  assert.match(
    await refused(404, { "x-error-code": "RevisionNotFound" }, {}, ["org/m", "--revision", "v9"]),
    /org\/m: it has no revision v9/,
  );
  assert.match(
    (await download(context, ["org/m", "--revision", "nope"])).stderr,
    /org\/m: it has no revision nope/,
  );
});

test("the token goes to the Hub, and not to the host of large files", async (context) => {
  const { hub, cache } = context;
  hub.add("org/m", model);
  writeFileSync(join(cache, "token"), "hf_from_file\n");
  assert.is((await download(context, ["org/m"], { HF_HOME: cache })).code, 0);
  const [own, other] = [true, false].map((own) =>
    hub.log.filter(({ line }) => own === /^GET \/(api|org)/.test(line)),
  );
  assert.ok(other.length >= 2 && own.length > 5);
  assert.equal(new Set(own.map(({ authorization }) => authorization)), new Set(["Bearer hf_from_file"]));
  assert.equal(new Set(other.map(({ authorization }) => authorization)), new Set([undefined]));
  hub.faults.nextElsewhere = true;
  hub.log.length = 0;
  assert.is((await download(context, ["org/m"], { HF_TOKEN: "hf_abc" })).code, 0); // by asking for each file's hash
  const asked = hub.log.map(({ authorization }) => authorization);
  assert.is(asked.filter((authorization) => authorization === undefined).length, 1);
});

test("offline, and without a network, the snapshot in the cache is used when it is whole", async (context) => {
  const { hub, cache } = context;
  const commit = hub.add("org/m", model);
  const folder = join(cache, "models--org--m", "snapshots", commit);
  const before = await download(context, ["org/m"], { HF_HUB_OFFLINE: "1" });
  assert.is(before.code, 1);
  assert.match(before.stderr, /org\/m: HF_HUB_OFFLINE is set, and revision main of it is not in the cache/);
  assert.equal(hub.log, []);
  await download(context, ["org/m"]);
  hub.log.length = 0;
  for (const argv of [["org/m"], ["org/m", "--revision", commit]]) {
    const ran = await download(context, argv, { HF_HUB_OFFLINE: "YES" });
    assert.is(ran.code, 0, ran.stderr);
    assert.is(ran.stdout, `${folder}\n`);
  }
  assert.equal(hub.log, []);
  const gone = await startHub();
  await gone.close();
  const nowhere = { HF_ENDPOINT: gone.url };
  const cut = await download(context, ["org/m"], nowhere);
  assert.is(cut.code, 0, cut.stderr);
  assert.is(cut.stdout, `${folder}\n`);
  assert.match(
    cut.stderr,
    /cannot reach http:.* \(it refuses the connection\): the snapshot in the cache is used, of commit/,
  );
  const blob = join(folder, readlinkSync(join(folder, "model.safetensors")));
  writeFileSync(blob, bytes(300_000, 9));
  assert.match(
    (await download(context, ["org/m"], nowhere)).stderr,
    /model\.safetensors in the cache is damaged/,
  );
  rmSync(blob);
  const part = await download(context, ["org/m"], nowhere);
  assert.is(part.code, 1);
  assert.match(part.stderr, /the cache holds only a part of it/);
});

test("paths that leave the model's folder are refused, wherever the server names them", async (context) => {
  const { hub, cache } = context;
  const evil = ["../x", "/etc/x", "a/../../x", "..\\x", "C:\\x", "a//b", "\\\\host\\share\\x", "x\0y"];
  hub.add("org/m", model);
  for (const name of evil) {
    assert.not(isInside(name), name);
    hub.faults.extra = [name];
    const ran = await download(context, ["org/m"]);
    assert.is(ran.code, 1, name);
    assert.match(ran.stderr, /refused: .* lists a file outside of the model's folder/);
  }
  hub.faults.extra = undefined;
  for (const sha of ["../../../x", "main", "", 7, null, "A".repeat(40)]) {
    hub.faults.sha = sha;
    assert.match((await download(context, ["org/m"])).stderr, /names no commit for main; got/);
  }
  delete hub.faults.sha;
  for (const oid of ["../../x", "", ".hidden", 7, "a/b"]) {
    hub.faults.oid = oid;
    assert.match((await download(context, ["org/m"])).stderr, /no usable size and hash/);
  }
  delete hub.faults.oid;
  for (const shard of ["../x.safetensors", "/x.safetensors", "a/x.safetensors", "x.bin", 3]) {
    hub.add("org/index", {
      "config.json": "{}",
      "model.safetensors.index.json": JSON.stringify({ weight_map: { a: shard } }),
    });
    assert.match(
      (await download(context, ["org/index"])).stderr,
      /expected names of safetensors files beside it; got/,
    );
  }
  assert.equal(
    inPlace(cache).filter((path) => /snapshots|refs/.test(path)),
    [],
  );
  for (const name of [
    "../x",
    "a/b/c",
    "",
    "-x/y",
    "org/..",
    "org/a--b",
    "/abs",
    "a".repeat(97),
    "org/m?x",
    "org/m\n",
  ])
    assert.not(isRepo(name), name);
  for (const name of ["gpt2", "org/m", "Qwen/Qwen2-0.5B", "a_b/c.d"]) assert.ok(isRepo(name), name);
  for (const name of ["../x", "/x", "a/../b", "", ".x", "a//b", "x.lock", "a b"])
    assert.throws(() => checkRevision(name), /expected a branch/);
});

const full = existsSync("/dev/full");
if (!full) console.log("skipped: a full disk: the system has no /dev/full");
(full ? test : test.skip)("a full disk is told, and nothing is in place", async (context) => {
  const { hub, cache } = context;
  hub.add("org/m", { "config.json": "{}", "model.safetensors": large(5000, 4) });
  const blobs = join(cache, "models--org--m", "blobs");
  mkdirSync(blobs, { recursive: true });
  symlinkSync("/dev/full", join(blobs, `${sha256(bytes(5000, 4))}.lowrank.incomplete`));
  const ran = await download(context, ["org/m"]);
  assert.is(ran.code, 1);
  assert.match(ran.stderr, /model\.safetensors: cannot write to .*: the disk is full; .* make room/);
  assert.equal(
    inPlace(cache).filter((path) => /snapshots|refs|lock/.test(path)),
    [],
  );
});

test("where the file system has no links, contents are moved, and those that others may use are copied", async ({
  cache,
}) => {
  const symlink = (): never => {
    throw Object.assign(new Error("no links"), { code: "EPERM" });
  };
  const blob = join(cache, "blob");
  for (const isNew of [false, true]) {
    writeFileSync(blob, "content");
    const pointer = join(cache, String(isNew), "config.json");
    putInSnapshot(blob, pointer, { isNew, symlink });
    assert.is(readFileSync(pointer, "utf8"), "content");
    assert.is(lstatSync(pointer).isSymbolicLink(), false);
    assert.is(existsSync(blob), !isNew);
  }
});

test("a snapshot of plain files, as without links, is taken as it is", async (context) => {
  const { hub, cache } = context;
  const commit = hub.add("org/m", model);
  const folder = join(cache, "models--org--m", "snapshots", commit);
  mkdirSync(folder, { recursive: true });
  for (const name of needed)
    writeFileSync(join(folder, name), served(model[name as keyof typeof model]).bytes);
  const ran = await download(context, ["org/m"]);
  assert.is(ran.code, 0, ran.stderr);
  assert.equal(contents(hub.log), []);
});

test("mirrors that list no folders are asked for each file's hash", async (context) => {
  const { hub, cache } = context;
  const commit = hub.add("org/m", model);
  hub.faults.noTree = true;
  const ran = await download(context, ["org/m"]);
  assert.is(ran.code, 0, ran.stderr);
  for (const name of needed)
    assert.is(
      readlinkSync(join(cache, "models--org--m", "snapshots", commit, name)),
      join("..", "..", "blobs", nameOf(served(model[name as keyof typeof model]))),
    );
});

test("--out copies to a plain folder, whole or not at all, and touches nothing that is there", async (context) => {
  const { hub, cache } = context;
  hub.add("org/m", model);
  const out = join(cache, "plain");
  const ran = await download(context, ["org/m", "--out", out]);
  assert.is(ran.code, 0, ran.stderr);
  assert.is(ran.stdout, `${out}\n`);
  assert.equal(readdirSync(out).sort(), needed);
  for (const name of needed) assert.not(lstatSync(join(out, name)).isSymbolicLink());
  writeFileSync(join(out, "config.json"), "mine");
  hub.log.length = 0;
  const again = await download(context, ["org/m", "--out", out]);
  assert.is(again.code, 1);
  assert.match(again.stderr, /--out: expected a new or empty folder, or --overwrite/);
  assert.equal(hub.log, []);
  assert.is(readFileSync(join(out, "config.json"), "utf8"), "mine");
  writeFileSync(join(out, "notes.txt"), "mine");
  writeFileSync(join(out, "model.safetensors.index.json"), "of another model");
  assert.is((await download(context, ["org/m", "--out", out, "--overwrite"])).code, 0);
  assert.equal(readdirSync(out).sort(), [...needed, "notes.txt"].sort());
  assert.is(readFileSync(join(out, "config.json"), "utf8"), model["config.json"]);
  writeFileSync(join(cache, "file"), "");
  assert.match(
    (await download(context, ["org/m", "--out", join(cache, "file")])).stderr,
    /--out: expected a folder; .* is a file/,
  );
  assert.match(
    (await download(context, ["org/m", "--out", join(cache, "file", "x")])).stderr,
    /cannot make the folder/,
  );
});

test("repositories of other kinds are refused with what to do, before anything comes", async (context) => {
  const { hub, cache } = context;
  const cases: [Record<string, string>, RegExp][] = [
    [
      { "config.json": "{}", "pytorch_model.bin": "x" },
      /no weights as safetensors, but pytorch_model\.bin, a pickle of PyTorch.*safe_serialization=True/,
    ],
    [{ "adapter_config.json": "{}", "adapter_model.bin": "x" }, /but adapter_model\.bin, a pickle/],
    [{ "config.json": "{}", "model.gguf": "x" }, /but model\.gguf, which is another format/],
    [
      { "README.md": "", "data.csv": "" },
      /neither a configuration nor weights; it holds README\.md, data\.csv/,
    ],
    [
      { "unet.safetensors": "x" },
      /no model\.safetensors and no adapter_model\.safetensors, but unet\.safetensors/,
    ],
    [{}, /it holds no files/],
  ];
  for (const [i, [files, message]] of cases.entries()) {
    hub.add(`org/kind${i}`, files);
    const ran = await download(context, [`org/kind${i}`]);
    assert.is(ran.code, 1);
    assert.match(ran.stderr, message);
  }
  assert.equal(inPlace(cache), []);
  hub.add("org/tokenizer", { "tokenizer.json": "{}" });
  const ran = await download(context, ["org/tokenizer"]);
  assert.is(ran.code, 0);
  assert.match(ran.stderr, /there are no weights, only tokenizer\.json/);
});

test("two downloads at once share the work and both end well", async (context) => {
  const { hub, cache } = context;
  hub.add("org/m", model);
  const ran = await Promise.all([
    download(context, ["org/m"]),
    download(context, ["org/m"]),
    download(context, ["org/m"]),
  ]);
  assert.equal(
    ran.map(({ code }) => code),
    [0, 0, 0],
  );
  assert.is(new Set(ran.map(({ stdout }) => stdout)).size, 1);
  assert.is(contents(hub.log).filter((line) => line.endsWith("/config.json")).length, 1);
  assert.equal(
    inPlace(cache).filter((path) => /lock|tmp/.test(path)),
    [],
  );
});

test("an address that is no Hub, a wrong name and a missing package are told", async (context) => {
  assert.match(
    (await download(context, ["org/m"], { HF_ENDPOINT: "hub.example" })).stderr,
    /HF_ENDPOINT: expected an address/,
  );
  assert.match(
    (await download(context, ["../m"])).stderr,
    /expected the name of a model on the Hub, such as ORG\/NAME; got name "\.\.\/m"/,
  );
  context.hub.faults.statuses = [{ status: 200, body: "<html>log in</html>" }];
  assert.match(
    (await download(context, ["org/m"])).stderr,
    /does not answer as the Hub does: is HF_ENDPOINT right\?/,
  );
  const missing = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
  try {
    await importHub(() => Promise.reject(missing));
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /npm i @huggingface\/hub/);
  }
});

test.run();
