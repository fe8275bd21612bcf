/** @file Renders an Observable Plot as SVG and PNG, without a browser. */
import { createHash } from "node:crypto";
import * as Plot from "@observablehq/plot";
import { Resvg, type ResvgRenderOptions } from "@resvg/resvg-js";
import { DOMParser } from "linkedom";
import { currentTerminal } from "../notebook/session.ts";

/** An XML document; an HTML document would not escape the text of attributes. */
const document = new DOMParser().parseFromString("<svg/>", "image/svg+xml");

export interface Heading {
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  /** Whether to draw a legend, for an ordinal colour scale. */
  readonly legend?: boolean;
}

/**
 * The plot as one self-contained SVG on white (since viewers may be dark), with the heading above it.
 *
 * @throws TypeError for options that make Plot wrap the SVG in HTML: its own legend, title or caption
 */
export function renderSvg(options: Plot.PlotOptions, heading: Heading = {}): string {
  const svg = Plot.plot({ ...options, document: document as unknown as Document });
  if (svg.tagName.toLowerCase() !== "svg") {
    throw new TypeError("plot: expected one picture; use { title, legend } of plot instead of Plot's own");
  }
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("style", "background: white; color: black");
  drawHeading(svg, heading);
  return ownIds(svg.outerHTML);
}

const ROW = 18;

/** Extends the SVG upwards, to negative y, and writes the title and the legend there. */
function drawHeading(
  svg: (SVGSVGElement | HTMLElement) & Plot.Plot,
  { title, legend = false }: Heading,
): void {
  const width = Number(svg.getAttribute("width"));
  const height = Number(svg.getAttribute("height"));
  const rows = [...(title ? [[title]] : []), ...(legend ? legendRows(names(svg), width) : [])];
  if (rows.length === 0) return;

  const top = -(ROW * rows.length + 10);
  svg.setAttribute("viewBox", `0 ${top} ${width} ${height - top}`);
  svg.setAttribute("height", String(height - top));
  rows.forEach((texts, i) => {
    const isTitle = title !== undefined && i === 0;
    const text = child(svg, "text", { x: "6", y: String(top + ROW * (i + 1)), "text-anchor": "start" });
    text.setAttribute("font-size", isTitle ? "13" : "11");
    if (isTitle) text.setAttribute("font-weight", "600");
    for (const name of texts) {
      if (!isTitle) {
        const fill = svg.scale("color")?.apply(name) ?? "black";
        child(text, "tspan", { fill }).textContent = "●";
      }
      child(text, "tspan", {}).textContent = isTitle ? name : ` ${name}\u2003`;
    }
  });
}

function names(svg: Plot.Plot): string[] {
  return Array.from(svg.scale("color")?.domain ?? [], String);
}

/** The names in rows that fit the width, at about 6.5 units per character. */
function legendRows(names: readonly string[], width: number): string[][] {
  const rows: string[][] = [[]];
  let used = 0;
  for (const name of names) {
    const size = 6.5 * (name.length + 4);
    if (used > 0 && used + size > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push(name);
    used += size;
  }
  return rows;
}

function child(parent: Element, tag: string, attributes: Readonly<Record<string, string>>): Element {
  const element = parent.ownerDocument.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.appendChild(element);
  return element;
}

/** The picture as PNG at twice its size. Null if no font is installed, since a plot without its text misleads. */
export function renderPng(svg: string): Buffer | null {
  return canDrawText() ? new Resvg(svg, PNG).render().asPng() : null;
}

const PNG: ResvgRenderOptions = { background: "white", fitTo: { mode: "zoom", value: 2 } };

let drawsText: boolean | undefined;

/** Whether this machine has a font, tested by drawing a letter. Reports once if it has none. */
export function canDrawText(): boolean {
  if (drawsText === undefined) {
    const letter = '<text y="18" font-family="system-ui, sans-serif">M</text>';
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">${letter}</svg>`;
    drawsText = new Resvg(svg).render().pixels.some((byte) => byte !== 0);
    if (!drawsText)
      currentTerminal().status("no font is installed: plots are written as SVG only, without PNG");
  }
  return drawsText;
}

/**
 * Renames ids (of markers and clips) after a hash of the picture's content, so that they are equal in every run and
 * differ between the pictures of a page. Plot itself numbers them through the whole process.
 */
function ownIds(svg: string): string {
  const ids = [...new Set(Array.from(svg.matchAll(/\bid="(plot-[a-z]+-\d+)"/g), ([, id]) => id))];
  if (ids.length === 0) return svg;
  const number = (prefix: string) =>
    svg.replace(/\bplot-[a-z]+-\d+\b/g, (id) => `${prefix}-${ids.indexOf(id)}`);
  return number(`plot-${createHash("sha256").update(number("plot")).digest("hex").slice(0, 8)}`);
}
