/** @file Renders a cell's output as HTML, from the richest of its forms. */
import { parseHTML } from "linkedom";
import { VERDICTS, type Verdict } from "../notebook/session.ts";
import { SVG, THUMBNAIL } from "../plots/picture.ts";
import { Html, html } from "./html.ts";
import type { Output } from "./notebook.ts";
import { type Renderer, slug } from "./prose.ts";

/** The outputs of a cell: a picture with the caption that follows it as one figure, cards side by side. */
export function outputsHtml(outputs: readonly Output[], renderer: Renderer): Html {
  const shown: Html[] = [];
  for (let i = 0; i < outputs.length; i++) {
    const output = outputs[i];
    const caption = isPicture(output) ? captionOf(outputs[i + 1]) : null;
    if (caption !== null) i++;
    const cards = isCard(output) ? outputs.slice(i).findIndex((one) => !isCard(one)) : 0;
    if (isCard(output)) {
      const count = cards < 0 ? outputs.length - i : cards;
      shown.push(
        html`<div class="statements">${outputs.slice(i, i + count).map((one) => outputHtml(one, renderer))}</div>`,
      );
      i += count - 1;
    } else if (caption !== null) shown.push(figure(output, renderer.inline(caption)));
    else shown.push(outputHtml(output, renderer));
  }
  return html`${shown}`;
}

const isCard = (output: Output): boolean => output["text/html"]?.startsWith('<table class="card"') ?? false;

/** The text of a caption, which `display` writes after a picture in italics. Null if the output is none. */
function captionOf(output: Output | undefined): string | null {
  const { "text/markdown": markdown = "", "text/plain": plain = "" } = output ?? {};
  return markdown !== "" && markdown === `*${plain}*` ? plain : null;
}

function figure(output: Output, caption?: Html): Html {
  return html`<figure><div class="plot">${picture(output)}</div>${caption && html`<figcaption class="caption">${caption}</figcaption>`}</figure>`;
}

function outputHtml(output: Output, { markdown }: Renderer): Html {
  if (isPicture(output)) return figure(output);
  if (output["text/html"]) return tables(output["text/html"]);
  if (output["text/markdown"])
    return html`<section class="prose">${markdown(output["text/markdown"]).html}</section>`;
  return html`<pre class="scroll" tabindex="0"><samp>${output["text/plain"] ?? ""}</samp></pre>`;
}

const svgOf = (output: Output): string | undefined => output[SVG] ?? output["image/svg+xml"];

export const isPicture = (output: Output): boolean => svgOf(output) !== undefined;

/** The picture for a card, drawn for that size if the page chose it. */
export const thumbnail = (output: Output): Html =>
  picture(output[THUMBNAIL] ? { ...output, [SVG]: output[THUMBNAIL] } : output);

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
  for (const table of document.querySelectorAll("table.card")) table.replaceWith(statementOf(table));
  for (const fold of document.querySelectorAll("details")) fold.className = "fold";
  for (const table of document.querySelectorAll("table")) {
    const figure = document.createElement("figure");
    const box = document.createElement("div");
    box.className = "scroll";
    box.tabIndex = 0;
    table.replaceWith(figure);
    const caption = table.querySelector("caption");
    if (caption) {
      const title = document.createElement("figcaption");
      title.innerHTML = caption.querySelector("b")?.innerHTML ?? caption.innerHTML;
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
    else if (table.className === "samples") {
      figure.className = "samples";
      labelCells(table);
    }
  }
  return new Html(document.body.innerHTML);
}

/** A card's table as an article with an id, by which the index links to it. */
function statementOf(table: Element): Element {
  const part = (name: string): string => table.querySelector(`[data-part="${name}"]`)?.textContent ?? "";
  const article = table.ownerDocument.createElement("article");
  article.className = `statement ${part("verdict").replaceAll(" ", "-")}`;
  article.id = `says-${slug(part("said"))}`;
  const more = table.getAttribute("data-page");
  article.innerHTML = html`<h3>${part("said")}</h3>
<p class="number"><b>${part("number")}</b> <span>${part("of")}</span></p>
<p class="depends">${part("depends")}${more && html` <a href="${more}.html">More in ${more}</a>.`}</p>
<p>${verdictMark(part("verdict") as Verdict)}</p>`.text;
  return article;
}

/** The statements among outputs of the page `name`, each short and with a link to its place there. */
export function statementsIn(outputs: readonly Output[], name: string): Html[] {
  return outputs.filter(isCard).map((output) => {
    const { document } = parseHTML(`<html><body>${output["text/html"]}</body></html>`);
    const article = statementOf(document.querySelector("table")!);
    const heading = article.querySelector("h3")!;
    heading.innerHTML = html`<a href="${name}.html#${article.id}">${heading.textContent ?? ""}</a>`.text;
    article.querySelector(".depends")?.remove();
    article.removeAttribute("id");
    return new Html(article.outerHTML);
  });
}

/** Labels each cell with its column and marks the verdicts. Returns whether it is a table of claims. */
function markVerdicts(table: Element): boolean {
  const labels = Array.from(table.querySelectorAll("thead th"), (heading) => heading.textContent ?? "");
  const column = labels.indexOf("verdict");
  if (column < 0) return false;
  labelCells(table);
  for (const row of table.querySelectorAll("tbody tr")) {
    const cell = row.children[column];
    const verdict = cell.textContent as Verdict;
    if (VERDICTS.includes(verdict)) cell.innerHTML = verdictMark(verdict).text;
  }
  return true;
}

/** Writes the heading of its column into each cell, for phones, where a row is a card. */
function labelCells(table: Element): void {
  const labels = Array.from(table.querySelectorAll("thead th"), (heading) => heading.textContent ?? "");
  for (const row of table.querySelectorAll("tbody tr"))
    for (const [i, cell] of [...row.children].entries()) cell.setAttribute("data-label", labels[i]);
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
