/** @file Renders an Observable Plot as SVG and PNG, without a browser. */
import { createHash } from "node:crypto";
import * as Plot from "@observablehq/plot";
import { Resvg, type ResvgRenderOptions } from "@resvg/resvg-js";
import { DOMParser } from "linkedom";
import { currentTerminal } from "../notebook/session.ts";
import { subscripts } from "../show/subscripts.ts";
import { textWidth } from "./axes.ts";

/** An XML document; an HTML document would not escape the text of attributes. */
const document = new DOMParser().parseFromString("<svg/>", "image/svg+xml");

/** What stands between the title and a plot. */
export interface Drawing {
  readonly options: Plot.PlotOptions;
  /** "colors": the names of the plot's colour scale; or a row of these entries. */
  readonly legend?: "colors" | readonly LegendEntry[];
  /** The numbers at the ends of a continuous colour scale, and between them its colours. */
  readonly bar?: ColorBar;
  /** The label of the vertical axis. */
  readonly yLabel?: string;
}

export interface LegendEntry {
  readonly name: string;
  readonly color: string;
  /** @default "●" */
  readonly sign?: string;
}

export interface ColorBar {
  readonly ends: readonly [string, string];
  /** From the first end to the second. */
  readonly colors: readonly string[];
  readonly label?: string;
  /** Further entries: cells without a value. */
  readonly entries?: readonly LegendEntry[];
}

export interface HeadingOptions {
  readonly title?: string;
  /** @default 12 */
  readonly fontSize?: number;
}

/**
 * The plot as one self-contained SVG on white (since viewers may be dark), with the heading above it.
 *
 * @throws TypeError for options that make Plot wrap the SVG in HTML: its own legend, title or caption
 */
export function renderSvg(drawing: Drawing, { title, fontSize = 12 }: HeadingOptions = {}): string {
  const options = { ariaLabel: title, ...drawing.options };
  const svg = Plot.plot({ ...options, document: document as unknown as Document });
  if (svg.tagName.toLowerCase() !== "svg") {
    throw new TypeError("plot: expected one picture; use { title, legend } of plot instead of Plot's own");
  }
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("style", "background: white; color: black");
  svg.setAttribute("font-size", String(fontSize));
  drawHeading(svg, drawing, title, fontSize);
  lowerSubscripts(svg);
  return ownIds(svg.outerHTML);
}

type Svg = (SVGSVGElement | HTMLElement) & Plot.Plot;
type Row = (y: number) => void;

/** Extends the SVG upwards, to negative y, and writes title, legend and the vertical axis's label there. */
function drawHeading(
  svg: Svg,
  { legend, bar, yLabel }: Drawing,
  title: string | undefined,
  size: number,
): void {
  const width = Number(svg.getAttribute("width"));
  const height = Number(svg.getAttribute("height"));
  const entries = legend === "colors" ? namesOf(svg) : (legend ?? []);
  const rows: Row[] = [
    ...(title
      ? [
          (y: number) =>
            void textAt(svg, 6, y, title, { "font-size": String(size + 2), "font-weight": "600" }),
        ]
      : []),
    ...(bar ? [(y: number) => drawBar(svg, bar, y, size)] : []),
    ...legendRows([...entries], width, size).map((row) => (y: number) => drawLegend(svg, row, y, size)),
    ...(yLabel ? [(y: number) => void textAt(svg, 6, y, `↑ ${yLabel}`)] : []),
  ];
  if (rows.length === 0) return;
  const line = 1.55 * size;
  const top = -Number((line * rows.length + (yLabel ? 4 : 10)).toFixed(1));
  svg.setAttribute("viewBox", `0 ${top} ${width} ${height - top}`);
  svg.setAttribute("height", String(height - top));
  for (const [i, row] of rows.entries()) row(top + line * (i + 0.9));
}

const namesOf = (svg: Svg): LegendEntry[] =>
  Array.from(svg.scale("color")?.domain ?? [], (name) => ({
    name: String(name),
    color: String(svg.scale("color")?.apply(name) ?? "black"),
  }));

function textAt(svg: Svg, x: number, y: number, text: string, more: Record<string, string> = {}): Element {
  const at = { x: String(x), y: String(y), "text-anchor": "start", fill: "currentColor", ...more };
  const element = child(svg, "text", at);
  if (text !== "") element.textContent = text;
  return element;
}

function drawLegend(svg: Svg, row: readonly LegendEntry[], y: number, size: number): void {
  let x = 6;
  for (const { name, color, sign = "●" } of row) {
    textAt(svg, x, y, sign, { fill: color });
    textAt(svg, x + 1.1 * size, y, name);
    x += entryWidth(name, size);
  }
}

const entryWidth = (name: string, size: number): number => textWidth(name, size) + 2.6 * size;

/** The entries in rows that fit the width. */
function legendRows(entries: readonly LegendEntry[], width: number, size: number): LegendEntry[][] {
  const rows: LegendEntry[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const wide = entryWidth(entry.name, size);
    if (used + wide > width - 6) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push(entry);
    used += wide;
  }
  return rows;
}

function drawBar(svg: Svg, { ends, colors, label, entries = [] }: ColorBar, y: number, size: number): void {
  let x = 6;
  const write = (text: string): void => {
    if (text === "") return;
    textAt(svg, x, y, text);
    x += textWidth(text, size) + 0.6 * size;
  };
  write(label ? `${label}:` : "");
  write(ends[0]);
  for (const fill of colors) {
    child(svg, "rect", { x: String(x), y: String(y - 0.8 * size), width: "6.5", height: String(size), fill });
    x += 6;
  }
  x += 0.6 * size;
  write(ends[1]);
  drawShifted(svg, entries, x + size, y, size);
}

function drawShifted(svg: Svg, entries: readonly LegendEntry[], from: number, y: number, size: number): void {
  let x = from;
  for (const { name, color, sign = "■" } of entries) {
    textAt(svg, x, y, sign, { fill: color });
    textAt(svg, x + 1.1 * size, y, name);
    x += entryWidth(name, size);
  }
}

/** Writes `W_q` with a lowered q in every text of the picture. */
function lowerSubscripts(svg: Element): void {
  for (const text of svg.querySelectorAll("text, tspan")) {
    const content = text.textContent ?? "";
    if (text.children.length > 0) continue;
    const parts = subscripts(content);
    if (parts.length === 1 && !parts[0].sub) continue;
    text.textContent = "";
    let lowered = false;
    for (const { text: part, sub } of parts) {
      const shift: Record<string, string> = sub === lowered ? {} : { dy: sub ? "0.25em" : "-0.18em" };
      child(text, "tspan", { ...shift, ...(sub ? { "font-size": "72%" } : {}) }).textContent = part;
      lowered = sub;
    }
  }
}

function child(parent: Element, tag: string, attributes: Readonly<Record<string, string>>): Element {
  const element = parent.ownerDocument.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.appendChild(element);
  return element;
}

/** The picture as PNG at twice its size. Null if no font is installed, since a plot without its text misleads. */
export function renderPng(svg: string): Buffer | null {
  return canDrawText() ? new Resvg(svg.replace(/font-family="[^"]*"/, FONTS), PNG).render().asPng() : null;
}

/** The first of these that is installed; the generic names would be a serif where the renderer knows none by default. */
const FONTS = 'font-family="Inter, Segoe UI, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"';

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
