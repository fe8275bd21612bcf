/** @file A matrix as a heat map: zero is the page's ground, positive numbers one hue, negative ones the other. */
import { useEffect, useRef } from "preact/hooks";
import type { Grid } from "../../engine/types.ts";
import { number } from "./format.ts";
import { still } from "./still.ts";

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
      {still.now ? (
        <img alt={label} src={still.now.heat(grid, colouring(scale ?? largest))} />
      ) : (
        <canvas ref={canvas} role="img" aria-label={label} width={grid.columns} height={grid.rows} />
      )}
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

/** The colour of a number, as red, green, blue and opacity; that of `scale` is the darkest. */
const colouring =
  (scale: number) =>
  (value: number): readonly [number, number, number, number] => {
    const [r, g, b] = value >= 0 ? POSITIVE : NEGATIVE;
    return [r, g, b, scale > 0 ? 255 * Math.min(1, Math.abs(value) / scale) ** 0.7 : 0];
  };

function paint(canvas: HTMLCanvasElement, { rows, columns, values }: Grid, scale: number): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(columns, rows);
  const colour = colouring(scale);
  for (let i = 0; i < values.length; i++) image.data.set(colour(values[i]), 4 * i);
  context.putImageData(image, 0, 0);
}
