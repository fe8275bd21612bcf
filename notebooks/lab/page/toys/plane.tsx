/** @file The plane of DoRA's row: arrows from the origin, circles of equal length, paths; a point that can be dragged. */
import type { JSX, TargetedPointerEvent } from "preact";
import type { Point } from "./row.ts";

/** Half of the side of the plane. */
const REACH = 2.6;
const SIZE = 400;

const at = (value: number): number => (SIZE / 2) * (1 + value / REACH);
const up = (value: number): number => (SIZE / 2) * (1 - value / REACH);

export interface Arrow {
  readonly name: string;
  /** Whether the name stands at its head. @default true */
  readonly isNamed?: boolean;
  readonly to: Point;
  /** @default the origin */
  readonly from?: Point;
  readonly color: string;
  readonly dashed?: boolean;
}

interface PlaneProps {
  readonly text: string;
  readonly arrows: readonly Arrow[];
  /** Radii of dashed circles. */
  readonly circles: readonly number[];
  readonly paths?: readonly { readonly points: readonly Point[]; readonly color: string }[];
  readonly target?: Point;
  readonly onDrag: (to: Point) => void;
}

export function Plane({ text, arrows, circles, paths = [], target, onDrag }: PlaneProps): JSX.Element {
  const drag = (event: TargetedPointerEvent<SVGSVGElement>): void => {
    if (event.type === "pointermove" && event.buttons === 0) return;
    if (event.type === "pointerdown") event.currentTarget.setPointerCapture(event.pointerId);
    const box = event.currentTarget.getBoundingClientRect();
    const inside = (part: number): number => REACH * Math.min(1, Math.max(-1, 2 * part - 1));
    onDrag([inside((event.clientX - box.left) / box.width), -inside((event.clientY - box.top) / box.height)]);
  };
  return (
    <svg
      class="toy-plane"
      viewBox={`0 0 ${SIZE} ${SIZE}`}
      role="img"
      aria-label={text}
      onPointerDown={drag}
      onPointerMove={drag}
    >
      <line x1={0} x2={SIZE} y1={up(0)} y2={up(0)} class="toy-axis" />
      <line y1={0} y2={SIZE} x1={at(0)} x2={at(0)} class="toy-axis" />
      {circles.map((radius) => (
        <circle key={radius} cx={at(0)} cy={up(0)} r={(SIZE / 2 / REACH) * radius} class="toy-circle" />
      ))}
      {paths.map(({ points, color }) => (
        <polyline
          key={color}
          points={points.map(([x, y]) => `${at(x)},${up(y)}`).join(" ")}
          fill="none"
          stroke={color}
          stroke-width={2}
        />
      ))}
      {target && <circle cx={at(target[0])} cy={up(target[1])} r={7} class="toy-target" />}
      {arrows.map((arrow) => (
        <ArrowLine key={arrow.name} {...arrow} />
      ))}
    </svg>
  );
}

/** Where the name of an arrow stands: beyond its head, or beside the middle of one that does not begin at the origin. */
function placeOfName(from: Point | undefined, [x1, y1]: Point, [x2, y2]: Point): Point {
  if (from) return [(x1 + x2) / 2, (y1 + y2) / 2 - 10];
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const dx = (x2 - x1) / length;
  return [x2 + 8 * dx + (dx < 0 ? -4 : 4), y2 + (12 * (y2 - y1)) / length + 4];
}

function ArrowLine({ name, isNamed = true, from, to, color, dashed }: Arrow): JSX.Element {
  const [x1, y1, x2, y2] = [at(from?.[0] ?? 0), up(from?.[1] ?? 0), at(to[0]), up(to[1])];
  const length = Math.hypot(x2 - x1, y2 - y1);
  const [dx, dy] = length > 0 ? [(x2 - x1) / length, (y2 - y1) / length] : [0, 0];
  const [nameX, nameY] = placeOfName(from, [x1, y1], [x2, y2]);
  const head = Math.min(10, length);
  const corner = (side: number): string =>
    `${x2 - head * dx - 0.5 * side * head * dy},${y2 - head * dy + 0.5 * side * head * dx}`;
  return (
    <g stroke={color} fill={color} style={{ color }}>
      <line
        x1={x1}
        y1={y1}
        x2={x2}
        y2={y2}
        stroke-width={2.5}
        stroke-dasharray={dashed ? "6 4" : undefined}
      />
      <polygon points={`${x2},${y2} ${corner(1)} ${corner(-1)}`} />
      {isNamed && (
        <text x={nameX} y={nameY} text-anchor={!from && dx < 0 ? "end" : "start"}>
          {name}
        </text>
      )}
    </g>
  );
}
