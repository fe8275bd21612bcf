/** @file `Picture`: a plot in all of its forms: for a page, for a card, as text. */
import type * as Plot from "@observablehq/plot";
import type { MimeBundle } from "../notebook/session.ts";
import { type Drawing, renderPng, renderSvg } from "./plot-image.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
  readonly fontSize: number;
}

export const PAGE: Size = { width: 640, height: 380, fontSize: 12 };
/** The thumbnail of a page in the gallery: larger type, fewer ticks, no title. */
export const CARD: Size = { width: 360, height: 215, fontSize: 13 };

export interface PlotText {
  readonly title?: string;
  /** A sentence below the picture that says what one sees in it. */
  readonly caption?: string;
  /** Whether to draw a legend, for an ordinal colour scale. */
  readonly legend?: boolean;
  /** The form for the terminal: a text plot, or a sentence. */
  readonly text?: string;
}

/** Any plot for a card: not as narrow as that, since its marks are placed for the size of a page. */
const smaller = ({ height }: Plot.PlotOptions): Plot.PlotOptions => ({
  width: 0.72 * PAGE.width,
  ...(height === undefined ? {} : { height: Math.min(height, 0.8 * PAGE.height) }),
});

/** Media types that only the gallery reads. Elsewhere a picture is shown as PNG: GitHub breaks SVG in notebooks. */
export const SVG = "application/vnd.lowrank.svg+xml";
export const THUMBNAIL = "application/vnd.lowrank.card+xml";

/** A plot with its text form; it is drawn when it is displayed. */
export class Picture {
  readonly draw: (size: Size) => Drawing;
  readonly heading: Omit<PlotText, "text">;
  readonly text: string;

  /** @param options Observable Plot's, or a function that makes them for a size */
  constructor(
    options: Plot.PlotOptions | ((size: Size) => Drawing),
    { text = "(plot)", ...heading }: PlotText = {},
  ) {
    this.draw =
      typeof options === "function"
        ? options
        : ({ width, fontSize }) => ({
            options: {
              marginBottom: 3.1 * fontSize,
              ...options,
              ...(width < PAGE.width ? smaller(options) : {}),
            },
            legend: heading.legend ? "colors" : undefined,
          });
    this.heading = heading;
    this.text = text;
  }

  toString(): string {
    return this.heading.title ? `${this.heading.title}\n${this.text}` : this.text;
  }

  toMime(): MimeBundle {
    const { title } = this.heading;
    const svg = renderSvg(this.draw(PAGE), { title, fontSize: PAGE.fontSize });
    const png = renderPng(svg);
    return {
      ...(png ? { [SVG]: svg, "image/png": png.toString("base64") } : { "image/svg+xml": svg }),
      "text/plain": this.toString(),
    };
  }

  /** The forms, and one for the size of a card. */
  toCard(): MimeBundle {
    const card = renderSvg(this.draw(CARD), { fontSize: CARD.fontSize });
    return { ...this.toMime(), [THUMBNAIL]: card };
  }
}
