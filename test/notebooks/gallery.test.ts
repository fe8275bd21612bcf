/** @file The gallery as files: what it takes, what it refuses, what it leaves behind. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { githubPage, sanitized } from "../../notebooks/support/gallery/github.ts";
import { writeGallery } from "../../notebooks/support/gallery/index.ts";
import { readNotebook } from "../../notebooks/support/gallery/notebook.ts";
import { inStory, STORY } from "../../notebooks/support/notebook/story.ts";
import { CARD, SVG } from "../../notebooks/support/plots/picture.ts";
import { card } from "../../notebooks/support/show/card.ts";
import { md } from "../../notebooks/support/show/display.ts";
import { fold } from "../../notebooks/support/show/fold.ts";
import { linePlot } from "../../notebooks/support/show/plot.ts";
import { samples } from "../../notebooks/support/show/samples.ts";
import { table } from "../../notebooks/support/show/table.ts";

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
      "One sentence, with $x^2$. Another.\n",
      "\n",
      "Nothing of it on the card.",
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
      "page.js",
      "second.html",
      "style.css",
    ]);
    assert.equal(readdirSync(join(out, "files")), ["first.ipynb", "second.ipynb"]);
    assert.equal(readdirSync(root).sort(), ["first.ipynb", "second.ipynb", "site"]);
  },
);

gallery("the index leads to the lab where there is one", async () => {
  assert.not.match(page("index"), /live lab/);
  const site = join(root, "with-lab");
  const index = await writeGallery({ notebooks: [first], out: site, lab: join(root, "lab", "index.html") });
  assert.match(readFileSync(index, "utf8"), /<a href="\.\.\/lab\/index\.html"><strong>The live lab/);
  rmSync(site, { recursive: true });
});

gallery("a card has title, byline, what the page is about, and verdicts", () => {
  const index = page("index");
  assert.match(index, /<h2><span class="place"[^>]*>1<\/span> <a href="first.html">On A &lt; B<\/a><\/h2>/);
  assert.ok(index.indexOf("first.html") < index.indexOf("second.html"));
  assert.match(index, /Hu, 2021/);
  assert.match(index, /One sentence, with <span class="katex">/);
  assert.match(index, /Another\./);
  assert.not.match(index, /Nothing of it on the card/);
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
  assert.equal(second.match(/<script[^>]*>/g), ['<script src="page.js" defer>']);
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

const display = (data: object): object => ({ output_type: "display_data", data, metadata: {} });
const svg = (name: string): string => `<svg viewBox='0 0 1 1' aria-label='${name}'/>`;

gallery(
  "the findings stand on top with their plot and its caption; their picture for a card is on the index",
  async () => {
    const plot = linePlot(
      [
        { x: 1, y: 2 },
        { x: 2, y: 3 },
      ],
      { x: "x", y: "y", title: "Elbow", caption: "Flat from $r = 4$." },
    );
    const found = [
      display(md`Rank **4** is enough.`.toMime()),
      display(plot.toCard()),
      display({ "text/markdown": "*Flat from $r = 4$.*", "text/plain": "Flat from $r = 4$." }),
    ];
    const path = write("tour", [
      { cell_type: "markdown", source: "# Tour\n\nAbout." },
      { cell_type: "markdown", source: "## Before" },
      {
        cell_type: "code",
        source: "other();",
        outputs: [display({ "image/svg+xml": svg("other"), "text/plain": "p" })],
      },
      { cell_type: "code", source: "const found = opening();", outputs: found },
    ]);
    await writeGallery({ notebooks: [path, second, first], out });
    const tour = page("tour");
    assert.match(tour, /<section class="found"[^>]*><h2 id="what-was-found">/);
    assert.ok(tour.indexOf('class="found"') < tour.indexOf('id="before"'));
    assert.is(tour.match(/Rank <strong>4/g)?.length, 1);
    assert.match(
      tour,
      /<figure><div class="plot"><svg[^>]*aria-label="Elbow".*<figcaption class="caption">Flat from <span class="katex">/s,
    );
    assert.not.match(tour, /<em>Flat/);
    const index = page("index");
    assert.match(index, new RegExp(`viewBox="0 -[\\d.]+ ${CARD.width} `));
    assert.not.match(index, /aria-label="other"/);
    assert.ok(index.indexOf('href="tour.html"') < index.indexOf('href="first.html"'), "the story's order");
    rmSync(path);
  },
);

gallery("statements are cards on their page, and short ones with links on the index", async () => {
  const statements = ["Rank 8 is enough.", "84 GB <are> needed."].map((said) =>
    display(
      card({
        said,
        number: "4",
        of: "the elbow",
        depends: "On the task.",
        verdict: false,
        more: "lora",
      }).toMime(),
    ),
  );
  const path = write("claims", [
    { cell_type: "markdown", source: "# Claims" },
    { cell_type: "code", source: "1;", outputs: [...statements, claims("supported")] },
  ]);
  await writeGallery({ notebooks: [path], out });
  assert.match(page("claims"), /<div class="statements"><article [^>]*id="says-rank-8-is-enough"/);
  assert.match(page("claims"), /On the task\. <a href="lora.html">/);
  assert.match(
    page("index"),
    /<h3><a href="claims.html#says-84-gb-are-needed">84 GB &lt;are&gt; needed\.<\/a><\/h3>/,
  );
  assert.not.match(page("index"), /On the task/);
  assert.match(page("index"), /1 supported<.*2 contradicted</);
  rmSync(path);
});

gallery("folds are folded, samples keep their marks, subscripts are subscripts", async () => {
  const outputs = [
    display(fold("All counts agree.", table([{ W_q: 1 }], { title: "of r_q" })).toMime()),
    display(samples([{ input: "x", before: "a b", after: "a c" }]).toMime()),
  ];
  const path = write("folds", [{ cell_type: "code", source: "1;", outputs }]);
  await writeGallery({ notebooks: [path], out });
  assert.match(
    page("folds"),
    /<details class="fold"><summary>All counts agree.<\/summary>\s*<figure><figcaption>of r<sub>q<\/sub>/,
  );
  assert.match(page("folds"), /<figure class="samples">.*<td[^>]*data-label="after"[^>]*>a <b>c<\/b>/s);
  rmSync(path);
});

gallery("the story has every notebook once, and others come last", () => {
  assert.is(new Set(STORY).size, STORY.length);
  for (const file of readdirSync("notebooks"))
    if (file.endsWith(".ts")) assert.ok(STORY.includes(file.slice(0, -3)), `${file} is not in the story`);
  assert.equal(["zz", "claims", "aa", "lora", "tour"].sort(inStory), ["tour", "lora", "claims", "aa", "zz"]);
});

gallery(
  "as GitHub lays it out: HTML without style, class and data attributes, folds and subscripts kept, PNG shown",
  async () => {
    assert.is(
      sanitized(
        '<details class="x"><summary style="color: red">S</summary><td data-volatile align="right">W<sub id="q">q</sub></td></details><script>1</script>',
      ),
      '<details><summary>S</summary><td align="right">W<sub>q</sub></td></details>',
    );
    const outputs = [display({ "image/png": "AAAA", [SVG]: svg("own"), "text/plain": "p" })];
    const path = write("github", [{ cell_type: "code", source: "a < b;", outputs }]);
    const shown = await githubPage(await readNotebook(path));
    assert.match(
      shown,
      /<pre>a &lt; b;<\/pre><div class="output"><img width="640" src="data:image\/png;base64,AAAA">/,
    );
    rmSync(path);
  },
);

gallery.run();
