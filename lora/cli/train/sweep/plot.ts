/** @file The plots of a sweep as SVG: loss by rank and loss by rate, a line for each method, with the spread over seeds. */

import { shown } from "./file.ts";
import type { Group, Summary } from "./summary.ts";

/** A point of a line. */
interface Point {
  readonly x: number;
  readonly y: number;
  /** Its spread, up and down. */
  readonly spread: number;
}

/** A line of a plot. */
interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

/**
 * The plot of the loss by an option that holds numbers (rank, lr): one line a method. Where other options vary, each point
 * is the best of them. Undefined when there is nothing to draw: the option has one value.
 */
export function lossBy(option: string, { axes, groups, of }: Summary): string | undefined {
  if (!axes.includes(option)) return undefined;
  const others = axes.filter((name) => name !== option && name !== "method");
  const lines = new Map<string, Map<number, Group>>();
  for (const group of groups) {
    const x = Number(group.values[option]);
    if (group.mean === null || !Number.isFinite(x) || x <= 0) continue;
    const name = "method" in group.values ? shown(group.values.method) : "";
    const line = lines.get(name) ?? new Map<number, Group>();
    lines.set(name, line);
    const best = line.get(x);
    if (best === undefined || group.mean < (best.mean as number)) line.set(x, group);
  }
  const drawn = Array.from(
    lines,
    ([name, points]): Line => ({
      name,
      points: Array.from(points, ([x, { mean, spread }]) => ({
        x,
        y: mean as number,
        spread: spread ?? 0,
      })).sort((a, b) => a.x - b.x),
    }),
  ).sort((a, b) => a.name.localeCompare(b.name));
  if (drawn.length === 0) return undefined;
  const label = option === "lr" ? "learning rate" : option;
  const title = `${of[0].toUpperCase()}${of.slice(1)} loss by ${label}${others.length > 0 ? `, each at its best ${others.join(", ")}` : ""}`;
  return draw(title, label, drawn);
}

const [WIDTH, HEIGHT] = [720, 420];
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 120, 52, 48];

/** Lines over a logarithmic axis, each with its name at its right end. */
function draw(title: string, label: string, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points);
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const [low, high] = [
    Math.min(...points.map(({ y, spread }) => y - spread)),
    Math.max(...points.map(({ y, spread }) => y + spread)),
  ];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  const [bottom, top] = [low - room, high + room];
  const [first, last] = [Math.log(xs[0]), Math.log(xs[xs.length - 1])];
  const x = (value: number): number =>
    LEFT + ((Math.log(value) - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number =>
    TOP + (1 - (value - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
  const names = apart(
    lines.map((line, i) => ({ i, name: line.name, at: y(line.points[line.points.length - 1].y) })),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>${style}</style>`,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${LEFT}" y="26">${escaped(title)}</text>`,
    ...ticks(bottom, top).map(
      (value) =>
        `<path class="grid" d="M${LEFT} ${round(y(value))}H${WIDTH - RIGHT}"/><text class="tick" x="${LEFT - 8}" y="${round(y(value) + 4)}" text-anchor="end">${number(value)}</text>`,
    ),
    `<path class="axis" d="M${LEFT} ${HEIGHT - BOTTOM}H${WIDTH - RIGHT}"/>`,
    ...spaced(xs, x).map(
      (value) =>
        `<path class="axis" d="M${round(x(value))} ${HEIGHT - BOTTOM}v5"/><text class="tick" x="${round(x(value))}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${number(value)}</text>`,
    ),
    `<text class="tick" x="${WIDTH - RIGHT}" y="${HEIGHT - 8}" text-anchor="end">${escaped(label)}</text>`,
    ...lines.flatMap((line, i) => [
      ...line.points
        .filter(({ spread }) => spread > 0)
        .map(
          (p) =>
            `<path class="bar c${i % COLORS}" d="M${round(x(p.x))} ${round(y(p.y - p.spread))}V${round(y(p.y + p.spread))}"/>`,
        ),
      `<path class="line c${i % COLORS}" d="${line.points.map((p, j) => `${j === 0 ? "M" : "L"}${round(x(p.x))} ${round(y(p.y))}`).join("")}"/>`,
      ...line.points.map(
        (p) =>
          `<circle class="c${i % COLORS}" cx="${round(x(p.x))}" cy="${round(y(p.y))}" r="3.5"><title>${escaped(`${line.name} ${number(p.x)}: ${p.y.toFixed(4)}${p.spread > 0 ? ` ± ${p.spread.toFixed(4)}` : ""}`.trim())}</title></circle>`,
      ),
    ]),
    ...names.map(
      ({ i, name, at }) =>
        `<text class="name c${i % COLORS}" x="${WIDTH - RIGHT + 10}" y="${round(at + 4)}">${escaped(name)}</text>`,
    ),
    "</svg>\n",
  ].join("\n");
}

const COLORS = 6;
const style = `
svg{--page:#ffffff;--ink:#1f2328;--faint:#6b7280;--grid:#e5e7eb;--c0:#2563eb;--c1:#c2410c;--c2:#15803d;--c3:#7e22ce;--c4:#a16207;--c5:#0e7490}
@media (prefers-color-scheme:dark){svg{--page:#0d1117;--ink:#e6edf3;--faint:#9198a1;--grid:#2a313c;--c0:#6ea8fe;--c1:#f0883e;--c2:#56d364;--c3:#c297ff;--c4:#e3b341;--c5:#56d4dd}}
.page{fill:var(--page)}text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink)}
.title{font-size:15px;font-weight:600}.tick{fill:var(--faint);font-size:12px}.grid{stroke:var(--grid);fill:none}.axis{stroke:var(--faint);fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.bar{stroke-width:1.5;opacity:.55}
${Array.from({ length: COLORS }, (_, i) => `path.c${i}{stroke:var(--c${i})}circle.c${i},text.c${i}{fill:var(--c${i})}`).join("")}
`;

/** Names moved apart where they would overlap, in the order of their lines' ends. */
function apart<T extends { readonly at: number }>(labels: readonly T[]): T[] {
  const placed: T[] = [];
  for (const label of [...labels].sort((a, b) => a.at - b.at)) {
    const above = placed[placed.length - 1];
    placed.push(above && label.at < above.at + 16 ? { ...label, at: above.at + 16 } : label);
  }
  const over = Math.max(0, (placed[placed.length - 1]?.at ?? 0) - (HEIGHT - 8));
  return placed.map((label) => ({ ...label, at: label.at - over }));
}

/** The values whose ticks have room for their numbers. */
function spaced(values: readonly number[], x: (value: number) => number): number[] {
  const kept: number[] = [];
  for (const value of values)
    if (kept.length === 0 || x(value) - x(kept[kept.length - 1]) >= 38) kept.push(value);
  return kept;
}

/** Round numbers from low to high, about six. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((n) => n * power >= rough) as number) * power;
  const from = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - from + 1 }, (_, i) => (from + i) * step);
}

const round = (n: number): number => Math.round(n * 10) / 10;

const number = (value: number): string =>
  value !== 0 && Math.abs(value) < 1e-3
    ? Number(value.toPrecision(3)).toExponential()
    : String(Number(value.toPrecision(6)));

const escaped = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter] as string,
  );
