/** @file The page as one document. What is drawn at once stands before the scripts; the model stands after them. */
import { gzipSync } from "node:zlib";
import { Html, html } from "../../support/gallery/html.ts";

/** The generator named in the page; it marks a file that may be overwritten. */
export const GENERATOR = "lowrank lab";

export interface Parts {
  readonly style: string;
  readonly page: string;
  /** Values that the page reads at once, by the ids of their elements. */
  readonly early: Readonly<Record<string, unknown>>;
  /** What the page unpacks when the worker starts, by the ids of their elements: they are long. */
  readonly late: Readonly<Record<string, string | Uint8Array>>;
  /** The page as it stands before its program runs. */
  readonly still: Html;
}

/**
 * Nothing may be fetched: all that the page has stands in it. WebAssembly is compiled, and workers are made from texts
 * in the page.
 */
const POLICY =
  "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob:; " +
  "style-src 'unsafe-inline'; font-src data:; img-src data: blob:";

/** Without JavaScript nothing can be set. The bars of the rank dial are sliders, and keep their height. */
const STILL =
  ".still { padding-block: 1rem 0; } #lab .toy-bar input { visibility: hidden; } " +
  "#lab :is(.panel, .sentence, form, button, input:not(.toy-bar input), select, textarea, .heats-bar, .toy-slider, .toy-choice, .toy-select, .toy-check) { display: none; }";

export function labDocument({ style, page, early, late, still }: Parts): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="${GENERATOR}">
<meta name="description" content="Adapt a small language model in this page, and see every quantity of the papers on LoRA move.">
<title>lowrank: the lab</title>
<link rel="icon" href="data:,">
<style>${raw(style, "style")}</style>
<noscript><style>${STILL}</style></noscript>
</head>
<body>
<noscript><p class="container still">Without JavaScript this page stands still: it shows a run that was recorded.</p></noscript>
<div id="lab">${still}</div>
${Object.entries(early).map(values)}
<script type="module">${raw(page, "script")}</script>
${Object.entries(late).map(packed)}
</body>
</html>
`;
}

const values = ([id, value]: [string, unknown]): Html =>
  html`<script type="application/json" id="${id}">${new Html(JSON.stringify(value).replaceAll("<", "\\u003c"))}</script>
`;

const packed = ([id, content]: [string, string | Uint8Array]): Html =>
  html`<script type="text/plain" id="${id}">${gzipSync(content, { level: 9 }).toString("base64")}</script>
`;

/** A text as it stands in an element, which its own end tag would end. */
function raw(text: string, element: "script" | "style"): Html {
  const ends = new RegExp(`<(?=/${element}|!--)`, "gi");
  return new Html(element === "script" ? text.replace(ends, "\\x3c") : text.replace(ends, "\\3c "));
}
