/** @file A matrix as a heat map: zero is the page's ground, positive numbers one hue, negative ones the other. */
import { useEffect, useRef } from "preact/hooks";
import type { Grid } from "../../engine/types.ts";
import { number } from "./format.ts";

const POSITIVE = [224, 102, 43] as const;
const NEGATIVE = [66, 105, 208] as const;

export interface HeatProps {
  readonly grid: Grid | null;
  /** "B" */
  readonly name: string;
  /** What stands in its place when there is none. */
  readonly none?: string;
  /** The magnitude of the darkest colour; its own largest by default. */
  readonly scale?: number;
  /** Its place beside the others, as the styles name it. */
  readonly place?: string;
}

export function Heat({ grid, name, none = "none", scale, place = "" }: HeatProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const largest = grid ? largestOf(grid.values) : 0;
  useEffect(() => {
    if (grid && canvas.current) paint(canvas.current, grid, scale ?? largest);
  }, [grid, scale]);
  if (!grid)
    return (
      <p class={`heat-none ${place}`}>
        {name}: {none}
      </p>
    );
  const label = `${name}, ${grid.rows} × ${grid.columns}, largest magnitude ${number(largest)}`;
  return (
    <figure class={`heat ${place}`}>
      <canvas ref={canvas} role="img" aria-label={label} width={grid.columns} height={grid.rows} />
      <figcaption>
        <b>{name}</b> {grid.rows} × {grid.columns}
        <span>{largest === 0 ? "all zero" : `largest ${number(largest)}`}</span>
      </figcaption>
    </figure>
  );
}

export const largestOf = (values: Float32Array): number => {
  let largest = 0;
  for (const value of values) if (Math.abs(value) > largest) largest = Math.abs(value);
  return largest;
};

function paint(canvas: HTMLCanvasElement, { rows, columns, values }: Grid, scale: number): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    const [r, g, b] = values[i] >= 0 ? POSITIVE : NEGATIVE;
    const strength = scale > 0 ? Math.min(1, Math.abs(values[i]) / scale) ** 0.7 : 0;
    image.data.set([r, g, b, 255 * strength], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
