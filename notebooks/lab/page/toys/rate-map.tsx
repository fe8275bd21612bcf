/** @file The map of the two rates: losses as a picture, with marks above it, on which a place can be chosen. */
import type { JSX, TargetedPointerEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { AXIS, type Landscape } from "./two-rates.ts";

/** A place on the map: indices of η_A and η_B. */
export interface Place {
  readonly a: number;
  readonly b: number;
}

interface MapProps {
  readonly map: Landscape;
  readonly chosen: Place;
  /** Places with names; may lie between the points of the map. */
  readonly marks: readonly (Place & { readonly text: string })[];
  readonly onChoose: (place: Place) => void;
}

const { count, from, to } = AXIS;
const BETTER = [15, 155, 168] as const;
const WORSE = [224, 102, 43] as const;

export function RateMap({ map, chosen, marks, onChoose }: MapProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(count, count);
    map.losses.forEach((loss, at) => {
      image.data.set(colorOf(loss), 4 * at);
    });
    context.putImageData(image, 0, 0);
  }, [map]);

  const choose = (event: TargetedPointerEvent<SVGSVGElement>): void => {
    if (event.type === "pointermove" && event.buttons === 0) return;
    const box = event.currentTarget.getBoundingClientRect();
    const index = (part: number): number => Math.min(count - 1, Math.max(0, Math.floor(part * count)));
    onChoose({
      a: index((event.clientX - box.left) / box.width),
      b: index(1 - (event.clientY - box.top) / box.height),
    });
  };
  const x = (a: number): number => a + 0.5;
  const y = (b: number): number => count - 0.5 - b;
  const powers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return (
    <div class="toy-map">
      <span class="toy-y">
        η<sub>B</sub>
      </span>
      <ol class="toy-ticks-y" aria-hidden="true">
        {powers.toReversed().map((power) => (
          <li key={power}>{powerText(power)}</li>
        ))}
      </ol>
      <div class="toy-field">
        <canvas ref={canvas} width={count} height={count} />
        <svg
          viewBox={`0 0 ${count} ${count}`}
          aria-hidden="true"
          onPointerDown={choose}
          onPointerMove={choose}
        >
          <line x1={0} y1={count} x2={count} y2={0} class="toy-diagonal" />
          {marks.map((mark) => (
            <g key={mark.text}>
              <circle cx={x(mark.a)} cy={y(mark.b)} r={0.45} class="toy-mark" />
              <text x={x(mark.a) + 1.2} y={y(mark.b) + 0.5}>
                {mark.text}
              </text>
            </g>
          ))}
          <circle cx={x(chosen.a)} cy={y(chosen.b)} r={0.9} class="toy-chosen" />
        </svg>
      </div>
      <ol class="toy-ticks-x" aria-hidden="true">
        {powers.map((power) => (
          <li key={power}>{powerText(power)}</li>
        ))}
      </ol>
      <span class="toy-x">
        η<sub>A</sub>
      </span>
    </div>
  );
}

/** Teal below the loss at the start, ½, the stronger the smaller; orange above it; grey where the toy diverges. */
function colorOf(loss: number): readonly [number, number, number, number] {
  if (Number.isNaN(loss)) return [0, 0, 0, 0];
  if (loss === Number.POSITIVE_INFINITY) return [128, 128, 128, 110];
  const decades = Math.log10(Math.max(loss, 1e-9) / 0.5);
  const strength = Math.min(1, Math.abs(decades) / 5);
  return [...(decades <= 0 ? BETTER : WORSE), Math.round(255 * strength)];
}

const powerText = (power: number): JSX.Element =>
  power === 0 ? (
    <>1</>
  ) : (
    <>
      10<sup>{power}</sup>
    </>
  );
