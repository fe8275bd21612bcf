/** @file `npm start -- NAME --text FILE --base FOLDER`: what is run, and what is refused in one sentence. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runNotebooks } from "../../notebooks/support/runner/command.ts";
import type { Terminal } from "../../notebooks/support/terminal/terminal.ts";
import { tinyFolder } from "../support/tiny-folder.ts";

const reader = suite<{ out: string; files: string }>("a reader's text and model");

const folder = fileURLToPath(new URL("./fixture-reader/", import.meta.url));

reader.before.each((context) => {
  context.out = mkdtempSync(join(tmpdir(), "reader-out-"));
  context.files = mkdtempSync(join(tmpdir(), "reader-"));
});
reader.after.each(({ out, files }) => {
  for (const one of [out, files]) rmSync(one, { recursive: true });
});

async function run(args: readonly string[], runs: string) {
  const printed: string[] = [];
  const status: string[] = [];
  const terminal: Terminal = {
    progress: "none",
    print: (text) => void printed.push(text),
    heading() {},
    status: (text) => void status.push(text),
  };
  const gallery = async ({ out }: { out: string }): Promise<string> => join(out, "index.html");
  const code = await runNotebooks(args, { folder, runs, terminal, gallery });
  return { code, printed: printed.join("\n"), status: status.join("\n") };
}

/** A file with this content. */
function file(files: string, name: string, content: string | Uint8Array): string {
  writeFileSync(join(files, name), content);
  return join(files, name);
}
const prose = (characters: number): string =>
  "The harbour was quiet, and the boats lay still; nobody spoke.\n"
    .repeat(Math.ceil(characters / 62))
    .slice(0, characters);

reader("without the options the notebook's own shift is run", async ({ out }) => {
  const { code, printed, status } = await run(["own"], out);
  assert.is(code, 0, status);
  assert.match(printed, /tiny-a +restaurants, house style +32 +32 +80 +yes|tiny-a.*32 +32 +80/);
});

reader(
  "a text: its windows, as many as it allows, and a note of what the base does not know",
  async ({ out, files }) => {
    const long = file(
      files,
      "harbour.txt",
      `\ufeff${prose(80_000).replaceAll("quiet", "quiét→漢")}`.replaceAll("\n", "\r\n"),
    );
    const { code, printed, status } = await run(["own", "--text", long], out);
    assert.is(code, 0, status);
    assert.match(printed, /declarations +harbour.txt +128 +32 +80/);
    assert.match(status, /harbour.txt: \d+ characters that declarations does not know are left out/);
    const { metadata } = JSON.parse(readFileSync(join(out, "own.ipynb"), "utf8"));
    assert.is(metadata.lowrank.changed, "text=harbour.txt");
    const short = file(files, "short.txt", prose(9000));
    assert.match(
      (await run(["own", "--text", short], out)).printed,
      /declarations +short.txt +\d+ +32 +(40|20)/,
    );
  },
);

reader(
  "a base: a Llama and a GPT-2 of any vocabulary, with the windows of its context",
  async ({ out, files }) => {
    const llama = tinyFolder(join(files, "small-llama"), { context: 24 });
    const text = file(files, "grüße.txt", "Grüße aus dem Süden! ".repeat(2000));
    const found = await run(["own", "--base", llama, "--text", text, "--set", "gpt2=false"], out);
    assert.is(found.code, 0, found.status);
    assert.match(found.printed, /small-llama +grüße.txt +128 +32 +25/);
    const gpt2 = tinyFolder(join(files, "small-gpt2"), { type: "gpt2" });
    const novel = await run(["own", "--base", gpt2], out);
    assert.is(novel.code, 0, novel.status);
    assert.match(novel.printed, /small-gpt2 +Moby-Dick +128 +32 +65/);
  },
);

reader("--list and --help say where", async ({ out }) => {
  const { printed } = await run(["--list"], out);
  for (const name of ["own", "indirect"])
    assert.match(printed, new RegExp(`^${name} .*\\(text, base\\)$`, "m"));
  assert.not.match(printed, /^deaf.*\(text, base\)$/m);
  const help = (await run(["--help"], out)).printed;
  for (const option of ["--text FILE", "--base FOLDER"]) assert.ok(help.includes(option));
});

type Case = [what: string, args: (files: string) => readonly string[], message: RegExp];
const good = (files: string): string => file(files, "good.txt", prose(80_000));
const damaged = (files: string, damage: (folder: string) => void): string => {
  const base = tinyFolder(join(files, "base"), { type: "gpt2" });
  damage(base);
  return base;
};
const config = (fields: object) => (base: string) =>
  writeFileSync(join(base, "config.json"), JSON.stringify(fields));
const cases: Case[] = [
  [
    "a missing text",
    (files) => ["--text", join(files, "none.txt")],
    /none.txt: expected a text file; there is nothing/,
  ],
  ["a folder in place of a text", (files) => ["--text", files], /expected a text file; it is a folder/],
  ["an empty text", (files) => ["--text", file(files, "empty.txt", "")], /the file is empty/],
  [
    "a text in Latin-1",
    (files) => ["--text", file(files, "latin.txt", Buffer.from("Grüße ".repeat(9000), "latin1"))],
    /expected text in UTF-8; the file is in another encoding/,
  ],
  ["no text", (files) => ["--text", file(files, "zeros", new Uint8Array(90_000))], /expected text in UTF-8/],
  ["a text too short", (files) => ["--text", file(files, "short.txt", prose(900))], /expected a longer text/],
  [
    "a text that the base has no characters for",
    (files) => ["--text", file(files, "han.txt", "漢字かな".repeat(20_000))],
    /declarations knows ASCII only, and \d+ % of the text is not; name another with --base/,
  ],
  ["a missing base", (files) => ["--base", join(files, "none")], /there is nothing of that name/],
  [
    "a file in place of a base",
    (files) => ["--base", good(files)],
    /expected the folder of a model; it is a file/,
  ],
  ["a folder without a model", (files) => ["--base", files], /there is no config.json/],
  [
    "config.json cut short",
    (files) => ["--base", damaged(files, (base) => truncateSync(join(base, "config.json"), 20))],
    /config.json is not JSON/,
  ],
  [
    "another architecture",
    (files) => ["--base", damaged(files, config({ model_type: "bert" }))],
    /expected one of gpt2, llama, .*; its model_type is "bert"/,
  ],
  ["no architecture", (files) => ["--base", damaged(files, config({}))], /its model_type is undefined/],
  [
    "an architecture that the notebook cannot adapt",
    (files) => ["--base", tinyFolder(join(files, "llama"))],
    /this notebook's methods need a model of the kind gpt2; its model_type is "llama"/,
  ],
  [
    "weights cut short",
    (files) => ["--base", damaged(files, (base) => truncateSync(join(base, "model.safetensors"), 5000))],
    /^error: --base .*model.safetensors/,
  ],
  [
    "no tokenizer",
    (files) => ["--base", damaged(files, (base) => rmSync(join(base, "tokenizer.json")))],
    /no tokenizer.json/,
  ],
  [
    "no steps",
    (files) => ["--text", good(files), "--set", "steps=0"],
    /setting steps: expected an integer of at least 1; got "0"/,
  ],
];
for (const [what, args, message] of cases)
  reader(`${what} is refused in one sentence, and nothing is written`, async ({ out, files }) => {
    const { code, status } = await run(["own", ...args(files)], out);
    assert.is(code, 1, status);
    assert.match(status, message);
    assert.match(status, /^error: [^\n]*$/);
    assert.equal(readdirSync(out), []);
  });

reader(
  "a notebook that takes neither, several notebooks, and notebooks/ as the place are refused",
  async ({ out, files }) => {
    const text = good(files);
    const wrong = async (args: readonly string[], message: RegExp): Promise<void> => {
      const { code, status } = await run([...args, "--text", text], out);
      assert.is(code, 1);
      assert.match(status, message);
      assert.equal(readdirSync(out), []);
    };
    await wrong(
      ["deaf"],
      /^error: --text: deaf runs on its own texts and bases only; those that take others: indirect, own$/,
    );
    await wrong(
      [],
      /^error: --text needs one notebook: npm start -- NAME --text \.\.\.; one of indirect, own$/,
    );
    await wrong(["own", "--out", folder], /^error: --out: expected another folder/);
  },
);

reader("a full run of a reader's text does not go beside the notebooks", async ({ out, files }) => {
  mkdirSync(join(out, "runs"));
  const { code, status } = await run(["own", "--full", "--text", good(files)], join(out, "runs"));
  assert.is(code, 0, status);
  assert.equal(readdirSync(join(out, "runs")), ["own.ipynb"]);
  assert.equal(readdirSync(folder).sort(), ["deaf.ts", "indirect.ts", "own.ts", "papers"]);
});

reader.run();
