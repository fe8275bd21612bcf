/** @file A small matrix as a heat map: one colour for positive numbers, one for negative ones, none for zero. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { still } from "../parts/still.ts";

const POSITIVE = [224, 102, 43] as const;
const NEGATIVE = [66, 105, 208] as const;

/** Red, green, blue and opacity. */
function colourOf(value: number, largest: number): readonly [number, number, number, number] {
  const strength = largest > 0 ? Math.min(1, Math.abs(value) / largest) : 0;
  const [r, g, b] = value < 0 ? NEGATIVE : POSITIVE;
  return [r, g, b, Math.round(255 * strength ** 0.8)];
}

interface HeatProps {
  readonly title: string;
  /** What the picture shows, in words. */
  readonly text: string;
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** The magnitude that gets the full colour. */
  readonly largest: number;
}

export function Heat({ title, text, values, rows, columns, largest }: HeatProps): JSX.Element {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = ref.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(columns, rows);
    values.forEach((value, at) => {
      image.data.set(colourOf(value, largest), 4 * at);
    });
    context.putImageData(image, 0, 0);
  }, [values, rows, columns, largest]);
  return (
    <figure class="toy-heat">
      {still.now ? (
        <img
          alt={text}
          src={still.now.heat({ rows, columns, values }, (value) => colourOf(value, largest))}
        />
      ) : (
        <canvas ref={ref} width={columns} height={rows} role="img" aria-label={text} />
      )}
      <figcaption>{title}</figcaption>
    </figure>
  );
}
