/** @file A small matrix as a heat map: one colour for positive numbers, one for negative ones, none for zero. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

const POSITIVE = [224, 102, 43] as const;
const NEGATIVE = [66, 105, 208] as const;

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
      const strength = largest > 0 ? Math.min(1, Math.abs(value) / largest) : 0;
      image.data.set([...(value < 0 ? NEGATIVE : POSITIVE), Math.round(255 * strength ** 0.8)], 4 * at);
    });
    context.putImageData(image, 0, 0);
  }, [values, rows, columns, largest]);
  return (
    <figure class="toy-heat">
      <canvas ref={ref} width={columns} height={rows} role="img" aria-label={text} />
      <figcaption>{title}</figcaption>
    </figure>
  );
}
