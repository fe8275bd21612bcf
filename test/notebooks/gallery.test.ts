/** @file The gallery as files: what it takes, what it refuses, what it leaves behind. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writeGallery } from "../../notebooks/support/gallery/index.ts";

const gallery = suite("gallery");
const root = mkdtempSync(join(tmpdir(), "lowrank-gallery-"));
const out = join(root, "site");
gallery.after(() => rmSync(root, { recursive: true }));

interface CellJson {
  readonly cell_type: "markdown" | "code";
  readonly source: string | readonly string[];
  readonly metadata?: object;
  readonly outputs?: readonly object[];
}

function write(name: string, cells: readonly CellJson[], lowrank = {}): string {
  const path = join(root, `${name}.ipynb`);
  writeFileSync(path, JSON.stringify({ cells, metadata: { lowrank }, nbformat: 4, nbformat_minor: 5 }));
  return path;
}

const claims = (...verdicts: string[]): object => ({
  output_type: "display_data",
  data: {
    "text/html": `<table><caption><b>Claims</b></caption><thead><tr><th>claim</th><th>verdict</th></tr></thead><tbody>${verdicts
      .map((verdict) => `<tr><td>a &lt; b</td><td>${verdict}</td></tr>`)
      .join("")}</tbody></table>`,
    "text/plain": "claims",
  },
});

const first = write("first", [
  {
    cell_type: "markdown",
    source: [
      "# On A < B\n",
      "\n",
      "Hu, 2021, [arXiv:2106.09685](https://arxiv.org/abs/2106.09685).\n",
      "\n",
      "One sentence, with $x^2$. Another.",
    ],
  },
  {
    cell_type: "code",
    source: "const a = 1 < 2;",
    outputs: [claims("supported", "supported", "contradicted")],
  },
]);
const second = write(
  "second",
  [
    { cell_type: "markdown", source: "# Second\n\n<script>alert(1)</script>\n\n## Same\n\n## Same" },
    {
      cell_type: "code",
      source: `${"import { a } from 'a';\n".repeat(9)}a();`,
      metadata: { title: "Settings" },
      outputs: [
        { output_type: "stream", name: "stdout", text: "<printed>" },
        { output_type: "error", ename: "RangeError", evalue: "too <large>", traceback: [] },
        { output_type: "display_data", data: { "text/markdown": "**bold**", "text/plain": "x" } },
        {
          output_type: "display_data",
          data: { "image/svg+xml": "<svg viewBox='0 0 1 1'/>", "text/plain": "a plot" },
        },
      ],
    },
  ],
  { setting: "full", device: "cpu", seconds: 3, settings: { rank: 8 } },
);
const page = (name: string): string => readFileSync(join(out, `${name}.html`), "utf8");

gallery(
  "an index, a page for each notebook, its files, one stylesheet with fonts; nothing beside it",
  async () => {
    assert.is(await writeGallery({ notebooks: [second, first], out }), join(out, "index.html"));
    assert.equal(readdirSync(out).sort(), [
      "files",
      "first.html",
      "fonts",
      "index.html",
      "second.html",
      "style.css",
    ]);
    assert.equal(readdirSync(join(out, "files")), ["first.ipynb", "second.ipynb"]);
    assert.equal(readdirSync(root).sort(), ["first.ipynb", "second.ipynb", "site"]);
  },
);

gallery("a card has title, byline, first sentence and verdicts; notebooks with a paper come first", () => {
  const index = page("index");
  assert.match(index, /<h2><a href="first.html">On A &lt; B<\/a><\/h2>/);
  assert.ok(index.indexOf("first.html") < index.indexOf("second.html"));
  assert.match(index, /Hu, 2021/);
  assert.match(index, /One sentence, with <span class="katex">/);
  assert.not.match(index, /Another/);
  assert.match(index, /2 supported<.*1 contradicted</);
  assert.match(index, /full setting · cpu · 3 s</);
});

gallery("claims are marked, code is coloured and escaped, long imports are folded", () => {
  assert.match(page("first"), /<figure class="claims"><figcaption>Claims<\/figcaption>/);
  assert.match(
    page("first"),
    /<td[^>]*data-label="verdict"[^>]*><span class="verdict contradicted">contradicted</,
  );
  assert.match(page("first"), /a &lt; b/);
  assert.match(page("first"), /<span style="color:light-dark\(/);
  assert.not.match(page("first"), /Imports/);
  assert.match(page("second"), /<details class="imports"><summary>Imports/);
});

gallery("each output is shown in its richest form, without a script", () => {
  const second = page("second");
  assert.match(second, /<samp>&lt;printed&gt;/);
  assert.match(second, /<samp>RangeError: too &lt;large&gt;/);
  assert.match(second, /<strong>bold<\/strong>/);
  assert.match(second, /<svg role="img" aria-label="a plot" viewBox/);
  assert.not.match(second, /<script/);
});

gallery("equal headings get different ids", () => {
  assert.match(page("second"), /<h2 id="same">.*<h2 id="same-2">/s);
  assert.match(page("second"), /<a href="#same-2">/);
});

gallery(
  "what is no notebook is refused by name; the gallery before stays, and nothing is left beside it",
  async () => {
    const broken = {
      "no JSON": "{",
      "nbformat 4": '{"nbformat": 3}',
      "list at cells": '{"nbformat": 4, "metadata": {}}',
      "text at cells[0].source":
        '{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "markdown", "source": [1]}]}',
      "list at cells[0].outputs":
        '{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": ""}]}',
    };
    const path = join(root, "broken.ipynb");
    for (const [reason, text] of Object.entries(broken)) {
      writeFileSync(path, text);
      const message = await writeGallery({ notebooks: [first, path], out }).catch((error) => `${error}`);
      assert.ok(message.includes("broken.ipynb: not a notebook"), message);
      if (reason !== "no JSON") assert.ok(message.includes(reason), message);
    }
    rmSync(path);
    const missing = await writeGallery({ notebooks: [path], out }).catch((error) => `${error}`);
    assert.match(missing, /broken\.ipynb: not a notebook: ENOENT/);
    const none = await writeGallery({ notebooks: [], out }).catch((error) => `${error}`);
    assert.match(none, /no notebooks/);
    assert.ok(page("second"));
    assert.equal(readdirSync(root).sort(), ["first.ipynb", "second.ipynb", "site"]);
  },
);

gallery("an earlier gallery is replaced; any other folder is refused", async () => {
  await writeGallery({ notebooks: [first], out });
  assert.not.ok(readdirSync(out).includes("second.html"));
  const other = join(root, "photos");
  mkdirSync(other);
  writeFileSync(join(other, "index.html"), "<title>Photos</title>");
  const message = await writeGallery({ notebooks: [first], out: other }).catch((error) => `${error}`);
  assert.match(message, /photos: exists and is no gallery/);
  assert.equal(readdirSync(other), ["index.html"]);
});

gallery.run();
