/** @file The loss curve as an SVG picture, light or dark as the reader's page. */

/** A curve's points. */
export interface Curves {
  readonly title: string;
  /** The loss of each step's batch. */
  readonly training: readonly number[];
  /** The validations. */
  readonly validation: readonly { readonly step: number; readonly value: number }[];
}

const [WIDTH, HEIGHT] = [720, 400];
const [LEFT, RIGHT, TOP, BOTTOM] = [62, 92, 48, 46];

/** The picture. Values that are not finite are left out. */
export function lossCurve({ title, training, validation }: Curves): string {
  const steps = Math.max(1, training.length);
  const trend = smoothed(training);
  const values = [...training, ...validation.map(({ value }) => value)].filter(Number.isFinite);
  const [low, high] = values.length > 0 ? bounds(values) : [0, 1];
  const yTicks = ticks(low, high, 6);
  const [bottom, top] = [Math.min(low, yTicks[0]), Math.max(high, yTicks.at(-1) as number)];
  const x = (step: number): number => LEFT + ((step - 1) / Math.max(1, steps - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number =>
    TOP + (1 - (value - bottom) / (top - bottom || 1)) * (HEIGHT - TOP - BOTTOM);
  const line = (points: readonly (readonly [number, number])[]): string =>
    points
      .filter(([, value]) => Number.isFinite(value))
      .map(([step, value], i) => `${i === 0 ? "M" : "L"}${round(x(step))} ${round(y(value))}`)
      .join("");
  const raw = training.map((value, i): [number, number] => [i + 1, value]);
  const shown = trend.map((value, i): [number, number] => [i + 1, value]);
  const held = validation.map(({ step, value }): [number, number] => [step, value]);
  const xTicks = ticks(1, steps, 7).filter((step) => Number.isInteger(step) && step >= 1 && step <= steps);
  const labels = apart([
    { text: "training", className: "training", at: y(trend.at(-1) ?? Number.NaN) },
    { text: "validation", className: "validation", at: y(held.at(-1)?.[1] ?? Number.NaN) },
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(title)}: loss by step">`,
    `<style>${style}</style>`,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${LEFT}" y="24">${escaped(title)}</text>`,
    ...yTicks.map(
      (value) =>
        `<path class="grid" d="M${LEFT} ${round(y(value))}H${WIDTH - RIGHT}"/><text class="tick" x="${LEFT - 8}" y="${round(y(value) + 4)}" text-anchor="end">${label(value)}</text>`,
    ),
    ...xTicks.map(
      (step) =>
        `<path class="axis" d="M${round(x(step))} ${HEIGHT - BOTTOM}v5"/><text class="tick" x="${round(x(step))}" y="${HEIGHT - BOTTOM + 19}" text-anchor="middle">${label(step)}</text>`,
    ),
    `<path class="axis" d="M${LEFT} ${HEIGHT - BOTTOM}H${WIDTH - RIGHT}"/>`,
    `<text class="tick" x="${WIDTH - RIGHT}" y="${HEIGHT - 8}" text-anchor="end">step</text>`,
    `<text class="tick" x="${LEFT - 8}" y="${TOP - 12}" text-anchor="end">loss</text>`,
    ...(trend.length > 1 && shown !== raw ? [`<path class="raw" d="${line(raw)}"/>`] : []),
    `<path class="training" d="${line(shown)}"/>`,
    ...(training.length === 1 && Number.isFinite(training[0]) ? [dot("training", x(1), y(training[0]))] : []),
    ...(held.length > 0 ? [`<path class="validation" d="${line(held)}"/>`] : []),
    ...held
      .filter(([, value]) => Number.isFinite(value))
      .map(([step, value]) => dot("validation", x(step), y(value))),
    ...labels.map(
      ({ text, className, at }) =>
        `<text class="name ${className}" x="${WIDTH - RIGHT + 8}" y="${round(at + 4)}">${text}</text>`,
    ),
    "</svg>\n",
  ].join("\n");
}

const style = `
svg{--page:#ffffff;--ink:#1f2328;--faint:#6b7280;--grid:#e5e7eb;--training:#2563eb;--validation:#c2410c}
@media (prefers-color-scheme:dark){svg{--page:#0d1117;--ink:#e6edf3;--faint:#9198a1;--grid:#2a313c;--training:#6ea8fe;--validation:#f0883e}}
.page{fill:var(--page)}text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink)}
.title{font-size:15px;font-weight:600}.tick{fill:var(--faint);font-size:12px}.grid{stroke:var(--grid);fill:none}
.axis{stroke:var(--faint);fill:none}path.training,path.validation,path.raw{fill:none;stroke-width:2;stroke-linejoin:round}
path.training{stroke:var(--training)}path.validation{stroke:var(--validation)}path.raw{stroke:var(--training);stroke-width:1;opacity:.35}
circle.training,text.training{fill:var(--training)}circle.validation,text.validation{fill:var(--validation)}
`;

const dot = (className: string, x: number, y: number): string =>
  `<circle class="${className}" cx="${round(x)}" cy="${round(y)}" r="3"/>`;

/** Labels at the ends of curves, moved apart where they would overlap; those without a place are left out. */
function apart<T extends { readonly at: number }>(labels: readonly T[]): T[] {
  const placed = labels.filter(({ at }) => Number.isFinite(at)).sort((a, b) => a.at - b.at);
  const gap = 16 - ((placed[1]?.at ?? Infinity) - (placed[0]?.at ?? 0));
  if (gap <= 0) return placed;
  return placed.map((label, i) => ({ ...label, at: label.at + (i === 0 ? -gap / 2 : gap / 2) }));
}

/** Means over a window of a twentieth of the steps; few steps stay as they are. */
function smoothed(values: readonly number[]): readonly number[] {
  const half = Math.floor(values.length / 40);
  if (half === 0) return values;
  return values.map((_, i) => {
    const around = values.slice(Math.max(0, i - half), i + half + 1).filter(Number.isFinite);
    return around.reduce((sum, value) => sum + value, 0) / around.length;
  });
}

/** The smallest and the largest value, apart by something. */
function bounds(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const room = (high - low || Math.abs(high) || 1) * 0.04;
  return [Math.max(low - room, low >= 0 ? 0 : -Infinity), high + room];
}

/** About `count` round numbers that cover low … high from inside. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough) as number;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step + 1e-9);
  const all = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step);
  return all.length > 0 ? all : [low];
}

const round = (n: number): number => Math.round(n * 10) / 10;

const label = (value: number): string => Number(value.toPrecision(6)).toLocaleString("en-US");

const escaped = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter] as string,
  );
