/** @file The lab as one file: `npm run lab` writes it, it holds everything and stands without its program; how it is served. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseHTML } from "linkedom";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cut } from "../../../notebooks/lab/build/excerpts.ts";
import { servePage } from "../../../notebooks/lab/build/serve.ts";
import { lines } from "../../../notebooks/lab/page/lines.ts";
import { toyLines } from "../../../notebooks/lab/page/toys/lines.ts";

const build = suite<{ folder: string; text: string }>("the lab's build");

const lab = (...options: string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, ["--import", "tsx", "notebooks/lab/lab-cli.ts", ...options]);

build.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), "lowrank-lab-"));
  const { stdout, stderr } = await lab("--out", context.folder);
  assert.is(stderr, "");
  assert.match(stdout, /^lab: \d\.\d MB → .*index\.html\n$/);
  context.text = readFileSync(join(context.folder, "index.html"), "utf8");
});
build.after(({ folder }) => rmSync(folder, { recursive: true }));

build("one file under 6 MB, which names nothing that a browser would fetch", ({ text }) => {
  assert.ok(Buffer.byteLength(text) < 6e6, `${Buffer.byteLength(text)} bytes`);
  const { document } = parseHTML(text);
  const fetched = [...document.querySelectorAll("[src], link[href], object, embed, iframe")].map(
    (element) => element.getAttribute("src") ?? element.getAttribute("href") ?? element.tagName,
  );
  assert.equal(
    fetched.filter((address) => !address.startsWith("data:")),
    [],
  );
  const style = [...document.querySelectorAll("style")].map(({ textContent }) => textContent).join("");
  assert.not.match(style, /@import|url\((?!["']?data:)/);
  const policy = document.querySelector('meta[http-equiv="Content-Security-Policy"]');
  assert.match(policy?.getAttribute("content") ?? "", /^default-src 'none'/);
});

build(
  "before its program the page has the stored run as text and pictures, without what only a program could do",
  ({ text }) => {
    const page = text.slice(text.indexOf('<div id="lab">'));
    assert.ok(
      text.indexOf('<div id="lab">') < text.indexOf("<script"),
      "the markup stands before the scripts",
    );
    const { document } = parseHTML(`<html><body>${page.slice(0, page.indexOf("<script"))}</body></html>`);
    assert.ok(document.querySelectorAll("svg").length >= 3, "plots");
    assert.ok(
      document.querySelectorAll('img[src^="data:image/png"], image, .heat img').length >= 3,
      "heat maps",
    );
    const words = document.body.textContent ?? "";
    for (const title of ["B = 0", "What r limits", "Merging costs nothing", "Four bits", "Where memory goes"])
      assert.ok(words.includes(title), title);
    assert.not.match(words, /undefined|NaN|\[object/);
    assert.match(text, /<noscript>.*Without JavaScript/);
  },
);

build("every excerpt is in its file, with each of its marks in one line", () => {
  const excerpts = Object.entries({ ...lines, ...toyLines });
  for (const [key, excerpt] of excerpts) {
    const { lines: shown, from, marked } = cut(excerpt);
    const source = readFileSync(excerpt.file, "utf8").split("\n");
    shown.forEach((line, i) => {
      assert.is(line.trimStart(), source[from - 1 + i].trimStart(), key);
    });
    assert.is(marked.size, new Set(excerpt.mark).size, key);
  }
  assert.ok(excerpts.length > 20);
});

build("an index.html that is no lab is not overwritten; a lab is", async ({ folder }) => {
  const other = join(folder, "other");
  mkdirSync(other);
  writeFileSync(join(other, "index.html"), "<p>mine");
  const { stderr } = await lab("--out", other).catch((error: { stderr: string }) => error);
  assert.match(stderr, /exists and is no lab/);
  assert.is(readFileSync(join(other, "index.html"), "utf8"), "<p>mine");
  assert.match((await lab("--out", folder)).stdout, /MB/);
});

build("served, the page is cross-origin isolated, and nothing else is there", async ({ folder }) => {
  const { url, server } = await servePage(join(folder, "index.html"));
  try {
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    const page = await fetch(`${url}?a=1`);
    assert.is(page.status, 200);
    assert.is(page.headers.get("cross-origin-opener-policy"), "same-origin");
    assert.is(page.headers.get("cross-origin-embedder-policy"), "require-corp");
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    assert.match(await page.text(), /<title>lowrank: the lab/);
    for (const path of ["index.html", "package.json", "../package.json", "%2e%2e/package.json"])
      assert.is((await fetch(url + path)).status, 404, path);
    assert.is((await fetch(url, { method: "HEAD" })).status, 200);
    assert.is((await fetch(url, { method: "POST" })).status, 404);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

build.run();
