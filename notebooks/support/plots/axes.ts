/** @file Axes: which ticks, as many as fit beside each other, and their text. */
import { extent } from "../show/format.ts";

export interface Axis {
  readonly type: "linear" | "log";
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  readonly text: (value: number) => string;
}

export interface AxisRequest {
  /** The values on the axis; those that are not finite, or not positive on a log axis, have no place on it. */
  readonly values: readonly number[];
  readonly scale: "linear" | "log";
  /** Length in pixels. */
  readonly length: number;
  readonly fontSize: number;
  /** Whether labels stand beside each other (x) or above each other (y). */
  readonly along: "x" | "y";
  /** The ends, instead of those of the values. */
  readonly domain?: readonly [number, number];
  /** Whether the ends are ticks. @default true for y */
  readonly nice?: boolean;
  /** The only possible ticks. */
  readonly ticks?: readonly number[];
}

/** Pixels of `text`; digits and letters are about 0.58 of the font size wide. */
export const textWidth = (text: string, fontSize: number): number =>
  Array.from(text).reduce((sum, letter) => sum + (NARROW.test(letter) ? 0.34 : 0.58), 0) * fontSize;

const NARROW = /[.,:;'il|ĵ¹ \u2009]/;

/**
 * An axis whose labels do not overlap. A log axis shows the values themselves if all fit (ranks 1, 2, 4, 8), else powers
 * of ten, else 1, 2, 5 of each.
 */
export function axis(request: AxisRequest): Axis {
  const { scale, along, nice = along === "y" } = request;
  const values = request.values.filter(
    (value) => Number.isFinite(value) && (scale === "linear" || value > 0),
  );
  let domain = request.domain ?? padded(extent(values.length > 0 ? values : [1]), scale);
  if (scale === "log") return logAxis(request, values, domain);
  const step = stepOf(domain, Math.max(2, Math.floor(request.length / spacing(request))));
  if (nice && !request.domain)
    domain = [Math.floor(domain[0] / step + 1e-9) * step, Math.ceil(domain[1] / step - 1e-9) * step];
  const given = request.ticks?.filter((tick) => tick >= domain[0] && tick <= domain[1]);
  const whole = values.length > 0 && values.every(Number.isInteger);
  for (let wide = whole ? Math.max(1, step) : step; ; wide = nextStep(wide)) {
    const ticks = given ?? multiples(domain, wide);
    const made: Axis = {
      type: "linear",
      domain,
      ticks,
      text: given ? numbersText(ticks) : stepText(ticks, wide),
    };
    if (given) return { ...made, ticks: thinned(made, request) };
    if (fits(made, request) || ticks.length <= 2) return made;
  }
}

function logAxis(request: AxisRequest, values: readonly number[], domain: readonly [number, number]): Axis {
  const inside = (ticks: readonly number[]): number[] =>
    ticks.filter((tick) => tick >= domain[0] * (1 - 1e-9) && tick <= domain[1] * (1 + 1e-9));
  const made = (ticks: readonly number[]): Axis => ({ type: "log", domain, ticks, text: numbersText(ticks) });
  if (request.ticks) {
    const own = made(inside(request.ticks));
    return { ...own, ticks: thinned(own, request) };
  }
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  if (request.along === "x" && distinct.length <= 12) {
    const own = made(inside(distinct));
    if (fits(own, request)) return own;
  }
  const [low, high] = domain.map((end) => Math.floor(Math.log10(end)));
  const decades = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const of = (digits: readonly number[]): number[] =>
    inside(decades.flatMap((k) => digits.map((digit) => Number(`${digit}e${k}`))));
  const many = [of([1, 2, 3, 4, 5, 6, 7, 8, 9]), of([1, 2, 5]), of([1])];
  const found = many
    .slice(1)
    .map(made)
    .filter((one) => one.ticks.length >= 2 && fits(one, request))[0];
  if (found) return found;
  if (of([1]).length >= 2) {
    const powers = of([1]); // every second, third … power
    for (let every = 2; ; every++) {
      const some = made(powers.filter((_, i) => i % every === 0));
      if (fits(some, request)) return some;
    }
  }
  const fine = made(many[0]);
  if (many[0].length >= 2) return { ...fine, ticks: thinned(fine, request) };
  const linear = axis({ ...request, scale: "linear", domain, nice: false });
  return { ...linear, type: "log" };
}

/** Room around the values, so that no point stands on an edge of y. */
function padded([low, high]: readonly [number, number], scale: "linear" | "log"): [number, number] {
  if (low < high) return [low, high];
  if (scale === "log") return [low / 2, low * 2];
  return low === 0 ? [-1, 1] : [Math.min(low * 0.9, low * 1.1), Math.max(low * 0.9, low * 1.1)];
}

/** Place of `value` along an axis, from 0 to 1. */
export function place(value: number, { type, domain: [low, high] }: Pick<Axis, "type" | "domain">): number {
  const f = type === "log" ? Math.log : (x: number): number => x;
  return (f(value) - f(low)) / (f(high) - f(low));
}

const spacing = ({ along, fontSize }: AxisRequest): number =>
  along === "x" ? 4.5 * fontSize : 3.2 * fontSize;

function fits(one: Axis, { length, fontSize, along }: AxisRequest): boolean {
  const half = (tick: number): number =>
    along === "x" ? textWidth(one.text(tick), fontSize) / 2 + 4 : 0.75 * fontSize;
  const at = one.ticks.map((tick) => length * place(tick, one));
  return one.ticks.every((tick, i) => i === 0 || at[i] - at[i - 1] >= half(tick) + half(one.ticks[i - 1]));
}

/** From the first on, the ticks whose labels fit beside those before. */
function thinned(one: Axis, request: AxisRequest): number[] {
  const kept: number[] = [];
  for (const tick of one.ticks)
    if (fits({ ...one, ticks: [...kept.slice(-1), tick] }, request)) kept.push(tick);
  return kept;
}

function stepOf([low, high]: readonly [number, number], count: number): number {
  const rough = (high - low) / count;
  let step = 10 ** Math.floor(Math.log10(rough));
  while (step < rough * (1 - 1e-9)) step = nextStep(step);
  return step;
}

/** 1, 2, 5, 10, 20, 50 … */
function nextStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step) + 1e-9);
  const digit = Math.round(step / power);
  return power * (digit === 1 ? 2 : digit === 2 ? 5 : 10);
}

function multiples([low, high]: readonly [number, number], step: number): number[] {
  const from = Math.ceil(low / step - 1e-9);
  const to = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) =>
    Number(((from + i) * step).toPrecision(12)),
  );
}

function stepText(ticks: readonly number[], step: number): (value: number) => string {
  const [, most] = extent([...ticks.map(Math.abs), 0]);
  if (most >= 1e6 || (most > 0 && most < 1e-3)) return numbersText(ticks);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return (value) => grouped(value, decimals);
}

/** The form of numbers on an axis: 0.05, 20,000; as powers, 10⁻⁴, 2·10⁶, if one of them needs it. */
export function numbersText(all: readonly number[]): (value: number) => string {
  const plain = all.every((value) => value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6));
  return plain ? (value) => grouped(value, undefined) : powerText;
}

function powerText(value: number): string {
  if (value === 0) return "0";
  const [digits, power] = Number(value.toPrecision(3)).toExponential().split("e");
  if (power === "+0") return digits.replace("-", "−");
  const raised = `10${Array.from(String(Number(power)), (sign) => RAISED[sign]).join("")}`;
  if (digits === "1") return raised;
  return digits === "-1" ? `−${raised}` : `${digits.replace("-", "−")}·${raised}`;
}

const RAISED: Readonly<Record<string, string>> = {
  "-": "⁻",
  "0": "⁰",
  "1": "¹",
  "2": "²",
  "3": "³",
  "4": "⁴",
  "5": "⁵",
  "6": "⁶",
  "7": "⁷",
  "8": "⁸",
  "9": "⁹",
};

function grouped(value: number, decimals: number | undefined): string {
  const options =
    decimals === undefined
      ? { maximumSignificantDigits: 6 }
      : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  const text = new Intl.NumberFormat("en-US", { ...options, signDisplay: "negative" }).format(value);
  return (Math.abs(value) < 1e4 ? text.replaceAll(",", "") : text).replace("-", "−");
}
