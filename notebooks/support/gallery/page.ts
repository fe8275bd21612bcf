/** @file The two kinds of pages: that of a notebook, and the index with a card for each notebook. */
import { basename } from "node:path";
import type { Entry } from "./entry.ts";
import { type Html, html, type Part } from "./html.ts";
import { tally } from "./output.ts";

export interface Neighbours {
  readonly previous?: Entry;
  readonly next?: Entry;
}

/** The page of a notebook. @param files paths of the notebook and its source, relative to the page */
export function notebookPage(entry: Entry, files: readonly string[], { previous, next }: Neighbours): Html {
  const sections = entry.headings.filter(({ level }) => level === 2 || level === 3);
  const contents = html`<ol>
${sections.map(({ id, level, title }) => html`<li class="level-${level}"><a href="#${id}">${title}</a></li>`)}
</ol>`;
  return document(
    entry.title,
    html`<header class="top container">
<nav aria-label="Site"><ul><li><a href="index.html">← All lectures</a></li></ul>
<ul><li><label><input type="checkbox" role="switch" id="code" checked>Code</label></li></ul></nav>
<hgroup><h1>${entry.title}</h1>
${entry.byline && html`<p>${entry.byline}</p>`}</hgroup>
${tally(entry.verdicts)}
<p class="files">Files: ${files.map((file, i) => html`${i > 0 && ", "}<a href="${file}" download>${basename(file)}</a>`)}${entry.made && html`<br>Run: ${entry.made}`}</p>
</header>
<div class="columns container">
<nav class="contents" aria-label="Contents">${contents}</nav>
<details class="contents"><summary>Contents</summary><nav aria-label="Contents">${contents}</nav></details>
<main>
${entry.body}
</main>
</div>
<footer class="container">
<nav aria-label="Next and previous">
<ul><li>${previous && html`<a rel="prev" href="${previous.name}.html">← ${previous.title}</a>`}</li></ul>
<ul><li>${next && html`<a rel="next" href="${next.name}.html">${next.title} →</a>`}</li></ul>
</nav>
</footer>`,
  );
}

/** Addresses of pages beside the gallery, where they are. */
export interface Links {
  /** The API reference. */
  readonly reference?: string;
  /** The live lab. */
  readonly lab?: string;
}

export function indexPage(entries: readonly Entry[], { reference, lab }: Links = {}): Html {
  const statements = entries.flatMap((entry) => entry.statements);
  const source = entries.find((entry) => entry.statements.length > 0);
  return document(
    "lowrank: the lectures",
    html`<header class="top container">
<hgroup><h1>lowrank</h1>
<p>LoRA, its variants and QLoRA, read beside their papers. Each lecture derives a method, shows it in a few lines of plain
tensors, and repeats the paper's experiments scaled down. Each claim is turned into a condition on measured numbers; the
condition is fixed before the run, and the verdict is shown even if it goes against the paper.</p></hgroup>
${tally(entries.flatMap(({ verdicts }) => verdicts))}
${
  lab &&
  html`<p class="lab"><a href="${lab}"><strong>The live lab</strong></a>: adapt a small language model in the page, and see every quantity of the
papers move.</p>`
}
${statements.length > 0 && html`<p><a href="#said">What is said of LoRA: ${statements.length} statements and the number that decides each</a></p>`}
</header>
<main class="container">
<ol class="cards" aria-label="Lectures, in the order of a story">
${entries.map((entry, i) => card(entry, i + 1))}
</ol>
${
  source &&
  html`<section class="said" id="said"><h2>What is said of LoRA</h2>
<p>What people repeat, and the number on which it depends. A statement links to its place in
<a href="${source.name}.html">${source.title}</a>.</p>
<div class="statements">${statements}</div>
</section>`
}
</main>
<footer class="container">
<p>Each page shows the last run of its notebook. <code>npm start -- NAME --set rank=2</code> runs one again with another
number, and <code>npm run gallery</code> rewrites these pages.${
      reference &&
      html` The library's names are in the
<a href="${reference}">API reference</a>.`
    }</p>
</footer>`,
  );
}

function card({ name, title, byline, summary, verdicts, made, thumbnail }: Entry, number: number): Html {
  return html`<li><article>
${thumbnail && html`<div class="plot thumbnail" aria-hidden="true">${thumbnail}</div>`}
<h2><span class="place" aria-hidden="true">${number}</span> <a href="${name}.html">${title}</a></h2>
${byline && html`<p class="byline">${byline}</p>`}
<p>${summary}</p>
${tally(verdicts)}
${made && html`<p class="made">${made}</p>`}
</article></li>
`;
}

/** The generator named in every page; it marks a folder that may be overwritten. */
export const GENERATOR = "lowrank gallery";

function document(title: string, body: Part): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="${GENERATOR}">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<script src="page.js" defer></script>
</head>
<body>
${body}
</body>
</html>
`;
}
