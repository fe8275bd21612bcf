/** @file Draws matrices beside each other in proportion: a product of two thin ones and the square one that it makes. */
import * as Plot from "@observablehq/plot";
import type { Tensor } from "lowrank/autograd";
import { Picture } from "../../support/plots/picture.ts";

export interface Shown {
  readonly name: string;
  readonly matrix: Tensor;
  /** The sign after it: "·", "=". */
  readonly sign?: string;
}

const GAP = 2.6;

/** Cells are orange below zero and blue above, the darker the larger. */
export function matricesPicture(
  shown: readonly Shown[],
  heading: { readonly title: string; readonly caption: string },
): Picture {
  const cells: { x: number; y: number; fill: string }[] = [];
  const labels: { x: number; y: number; text: string }[] = [];
  const tallest = Math.max(...shown.map(({ matrix }) => matrix.shape[0]));
  let left = 0;
  for (const { name, matrix, sign } of shown) {
    const [rows, columns] = matrix.shape;
    const values = matrix.toArray();
    const most = Math.max(...Array.from(values, Math.abs)) || 1;
    const top = (tallest - rows) / 2;
    values.forEach((value, i) => {
      cells.push({ x: left + (i % columns), y: top + Math.floor(i / columns), fill: color(value / most) });
    });
    labels.push({ x: left + columns / 2, y: -1.1, text: `${name} [${rows}, ${columns}]` });
    if (sign) labels.push({ x: left + columns + GAP / 2, y: tallest / 2, text: sign });
    left += columns + GAP;
  }
  const width = left - GAP;
  const text = shown.map(({ name, matrix }) => `${name} [${matrix.shape.join(", ")}]`).join(", ");
  return new Picture(
    ({ width: pixels, fontSize }) => {
      const unit = Math.min(18, (pixels - 90) / width);
      const margin = (pixels - unit * width) / 2;
      return {
        options: {
          width: pixels,
          height: unit * (tallest + 2.4) + 8,
          marginTop: 4,
          marginBottom: 4,
          marginLeft: margin,
          marginRight: margin,
          axis: null,
          x: { domain: [0, width] },
          y: { domain: [tallest + 0.4, -2] },
          marks: [
            Plot.rect(cells, {
              x1: "x",
              x2: (cell) => cell.x + 1,
              y1: "y",
              y2: (cell) => cell.y + 1,
              fill: "fill",
              inset: 0.5,
            }),
            Plot.text(labels, { x: "x", y: "y", text: "text", fontSize: fontSize + 1 }),
          ],
        },
      };
    },
    { ...heading, text },
  );
}

/** From orange (−1) over grey (0) to blue (1); all can be seen on white and on black. */
function color(level: number): string {
  const to = level < 0 ? [224, 102, 43] : [66, 105, 208];
  const share = Math.abs(level) ** 0.7;
  return `rgb(${[200, 203, 208].map((part, i) => Math.round(part + (to[i] - part) * share)).join(", ")})`;
}
