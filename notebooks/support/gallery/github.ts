/**
 * @file Lays a notebook out as GitHub shows it, to look at before committing: a column of 900 pixels, code as it stands,
 * HTML without attributes that GitHub's sanitizer drops, pictures as PNG.
 *
 *     npx tsx notebooks/support/gallery/github.ts notebooks/tour.ipynb > tour.html
 */
import { pathToFileURL } from "node:url";
import { parseHTML } from "linkedom";
import { Html, html } from "./html.ts";
import { type Notebook, type Output, readNotebook } from "./notebook.ts";
import { createRenderer, type Renderer } from "./prose.ts";

/** Attributes that stay; `style`, `class`, `id` and `data-…` go. */
const KEPT: ReadonlySet<string> = new Set([
  "align",
  "alt",
  "colspan",
  "height",
  "href",
  "open",
  "rowspan",
  "src",
  "width",
]);

/** The notebook as one page of HTML. */
export async function githubPage({ cells }: Notebook): Promise<string> {
  const renderer = await createRenderer();
  const parts = cells.map(({ type, source, outputs }) =>
    type === "markdown"
      ? renderer.markdown(source).html
      : html`<pre>${source}</pre>${outputs.map((output) => html`<div class="output">${shown(output, renderer)}</div>`)}`,
  );
  const katex = new URL("../../../node_modules/katex/dist/katex.min.css", import.meta.url);
  return html`<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="${katex.href}">
<style>${new Html(STYLE)}</style>
${parts}
`.text;
}

const STYLE = `body { width: 900px; margin: 1rem auto; font: 16px/1.5 system-ui, sans-serif; color: #1f2328; }
pre { padding: 12px; overflow: auto; background: #f6f8fa; font-size: 13px; }
table { display: block; overflow: auto; border-collapse: collapse; font-size: 14px; }
td, th { border: 1px solid #d1d9e0; padding: 6px 13px; }
img { max-width: 100%; }
.output { margin: 6px 0 14px; }`;

function shown(output: Output, renderer: Renderer): Html {
  if (output["text/html"]) return new Html(sanitized(output["text/html"]));
  if (output["text/markdown"]) return renderer.markdown(output["text/markdown"]).html;
  if (output["image/png"]) return html`<img width="640" src="data:image/png;base64,${output["image/png"]}">`;
  return html`<pre>${output["text/plain"] ?? ""}</pre>`;
}

/** HTML as GitHub's sanitizer leaves it. */
export function sanitized(source: string): string {
  const { document } = parseHTML(`<html><body>${source}</body></html>`);
  for (const element of document.querySelectorAll("body *")) {
    if (/^(script|style|svg)$/i.test(element.tagName)) element.remove();
    for (const name of element.getAttributeNames()) if (!KEPT.has(name)) element.removeAttribute(name);
  }
  return document.body.innerHTML;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  console.log(await githubPage(await readNotebook(process.argv[2] ?? "")));
