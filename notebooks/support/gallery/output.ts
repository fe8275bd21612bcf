/** @file Renders a cell's output as HTML, from the richest of its forms. */
import { parseHTML } from "linkedom";
import { VERDICTS, type Verdict } from "../notebook/session.ts";
import { SVG } from "../show/picture.ts";
import { Html, html } from "./html.ts";
import type { Output } from "./notebook.ts";
import type { Renderer } from "./prose.ts";

export function outputHtml(output: Output, { markdown }: Renderer): Html {
  if (isPicture(output)) return html`<figure class="plot">${picture(output)}</figure>`;
  if (output["text/html"]) return tables(output["text/html"]);
  if (output["text/markdown"]) return markdown(output["text/markdown"]).html;
  return html`<pre class="scroll" tabindex="0"><samp>${output["text/plain"] ?? ""}</samp></pre>`;
}

const svgOf = (output: Output): string | undefined => output[SVG] ?? output["image/svg+xml"];

export const isPicture = (output: Output): boolean => svgOf(output) !== undefined;

/** The plot as inline SVG, whose text and axes take the page's colour, also in dark mode. */
export function picture(output: Output): Html {
  const svg = svgOf(output)!.replace(' style="background: white; color: black"', "");
  const label = /^<svg[^>]* aria-label=/.test(svg)
    ? html``
    : html` aria-label="${output["text/plain"] ?? "plot"}"`;
  return new Html(svg.replace("<svg", `<svg role="img"${label}`));
}

/** Cells of at most so many characters are never wrapped. */
const SHORT = 20;

/**
 * Renders each table as a figure with a caption, inside a box that scrolls if the table is too wide. Tables of claims get
 * the class `claims` and marked verdicts.
 */
function tables(source: string): Html {
  const { document } = parseHTML(`<html><body>${source}</body></html>`);
  for (const table of document.querySelectorAll("table")) {
    const figure = document.createElement("figure");
    const box = document.createElement("div");
    box.className = "scroll";
    box.tabIndex = 0;
    table.replaceWith(figure);
    const caption = table.querySelector("caption");
    if (caption) {
      const title = document.createElement("figcaption");
      title.textContent = caption.textContent;
      caption.remove();
      figure.append(title);
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", caption.textContent ?? "");
    }
    box.append(table);
    figure.append(box);
    for (const heading of table.querySelectorAll("th")) heading.setAttribute("scope", "col");
    for (const cell of table.querySelectorAll("td")) {
      if ((cell.textContent ?? "").length <= SHORT) cell.className = "short";
    }
    if (markVerdicts(table)) figure.className = "claims";
  }
  return new Html(document.body.innerHTML);
}

/** Labels each cell with its column and marks the verdicts. Returns whether it is a table of claims. */
function markVerdicts(table: Element): boolean {
  const labels = Array.from(table.querySelectorAll("thead th"), (heading) => heading.textContent ?? "");
  const column = labels.indexOf("verdict");
  if (column < 0) return false;
  for (const row of table.querySelectorAll("tbody tr")) {
    for (const [i, cell] of [...row.children].entries()) cell.setAttribute("data-label", labels[i]);
    const cell = row.children[column];
    const verdict = cell.textContent as Verdict;
    if (VERDICTS.includes(verdict)) cell.innerHTML = verdictMark(verdict).text;
  }
  return true;
}

function verdictMark(verdict: Verdict): Html {
  return html`<span class="verdict ${verdict.replaceAll(" ", "-")}">${verdict}</span>`;
}

/** The number of claims by verdict, as a proportional bar and as text. */
export function tally(verdicts: readonly Verdict[]): Html {
  const counts = VERDICTS.map((verdict) => ({
    verdict,
    name: verdict.replaceAll(" ", "-"),
    count: verdicts.filter((one) => one === verdict).length,
  })).filter(({ count }) => count > 0);
  if (counts.length === 0) return html``;
  return html`<div class="bar" aria-hidden="true">
${counts.map(({ name, count }) => html`<i class="${name}" style="flex-grow: ${count}"></i>`)}
</div>
<p class="tally"><span>${verdicts.length} ${verdicts.length === 1 ? "claim" : "claims"}</span>${counts.map(({ name, verdict, count }) => html`<span class="verdict ${name}">${count} ${verdict}</span>`)}</p>`;
}

/** The marked verdicts of a page, in order. */
export function verdictsIn(page: Html): Verdict[] {
  const marks = page.text.matchAll(/<span class="verdict [a-z-]+">([a-z ]+)<\/span>/g);
  return Array.from(marks, ([, verdict]) => verdict as Verdict);
}
