/** @file What the curves of *LoRA Without Regret* say: samples of a shift, the start of training, gains by rate, ratios. */
import type { KnownShift } from "../../support/experiments/shifts.ts";
import { mean } from "../../support/experiments/statistics.ts";
import { interval, type Judgement, within } from "../../support/experiments/verdicts.ts";
import { linePlot, meanStd, type Picture, table } from "../../support/index.ts";
import { bestRates, curveOf, FULL, firstSteps, full, lora, type Tried, tryRates } from "./runs.ts";

/** A held-out row: its text, or what is given and what is to be written. */
export function sampleOf({ domain, tokenizer }: KnownShift): string {
  const { ids, labels } = domain.validation[0];
  const [from, to] = [labels.data.findIndex((label) => label >= 0), ids.shape[1]];
  const text = (a: number, b: number): string => tokenizer.decode(Array.from(ids.data.slice(a, b))).trim();
  return from > 0 ? `${text(0, from)} → ${text(from, to)}` : text(0, to).replaceAll("\n", " ");
}

/** The columns of `Point` in a plot. */
export const PANELS = { x: "x", y: "y", series: "arm", panels: "panel" } as const;

/** A point of a curve: its panel and its arm. */
export interface Point {
  readonly panel: string;
  readonly arm: string;
  readonly x: number;
  readonly y: number;
}

/** The share of full fine-tuning's gain by rate: 0 is the base's loss, 1 that of full fine-tuning at its best rate. */
export function gainCurves(tried: readonly Tried[], shifts: readonly KnownShift[]): Point[] {
  return shifts.flatMap(({ name, base, before }) => {
    const arms = [...new Set(tried.filter(({ shift }) => shift === name).map(({ arm }) => arm))];
    const least = mean(bestRates(tried, FULL, name).map(({ loss }) => loss));
    return arms.flatMap((arm) =>
      curveOf(tried, arm, name).map(({ rate, loss }) => ({
        panel: `${base}: ${name}`,
        arm,
        x: rate,
        y: (before - loss) / (before - least),
      })),
    );
  });
}

/** The best rate of an arm over that of full fine-tuning, for each seed, as powers of ten. */
export function ratios(tried: readonly Tried[], arm: string, shift: string): number[] {
  const whole = bestRates(tried, FULL, shift);
  return bestRates(tried, arm, shift).map(({ rate }, i) => Math.log10(rate / whole[i].rate));
}

/** A mean of powers of ten and its interval, as factors: "3.2 (2.1 to 4.9)". */
export function factor(logarithms: readonly number[]): string {
  const { mean: center, low, high } = interval(logarithms);
  const short = (value: number): string => String(Number((10 ** value).toPrecision(2)));
  return logarithms.length > 1 ? `${short(center)} (${short(low)} to ${short(high)})` : short(center);
}

export interface EarlyOptions {
  readonly alpha: number;
  readonly rate: number;
  readonly steps: number;
  readonly rows: number;
  readonly seeds: number;
}

/** The first training losses by rank, with α/r and with α/√r, and how far the ranks are apart. */
export function earlyCurves(
  shift: KnownShift,
  ranks: readonly number[],
  { alpha, rate, steps, rows, seeds }: EarlyOptions,
): { readonly picture: Picture; readonly verdict: Judgement; readonly apart: number; readonly note: string } {
  const panelsOf = [
    { panel: "α/r", rankStabilized: false },
    { panel: "α/√r", rankStabilized: true },
  ];
  const all = panelsOf.flatMap(({ panel, rankStabilized }) =>
    ranks.flatMap((rank) =>
      Array.from({ length: seeds }, (_, seed) => {
        const arm = lora([rate], { rank, alpha, rankStabilized });
        return {
          panel,
          arm: arm.name,
          seed,
          losses: firstSteps(arm, shift, { steps, rows, seed: 100 + seed }),
        };
      }),
    ),
  );
  const points = all
    .filter(({ seed }) => seed === 0)
    .flatMap(({ panel, arm, losses }) => losses.map((y, x) => ({ panel, arm, x, y })));
  /** The largest distance between ranks after half the steps, as a share of what is learned by then. */
  const apart = (panel: string): number[] =>
    Array.from({ length: seeds }, (_, seed) => {
      const own = all.filter((one) => one.panel === panel && one.seed === seed).map(({ losses }) => losses);
      const at = Math.floor(steps / 2);
      const values = own.map((losses) => losses[at]);
      return (Math.max(...values) - Math.min(...values)) / (own[0][0] - mean(values));
    });
  const [plain, stabilized] = panelsOf.map(({ panel }) => apart(panel));
  const share = Math.round(100 * mean(plain));
  const other = Math.round(100 * mean(stabilized));
  const picture = linePlot(points, {
    ...PANELS,
    title: "The first steps with one rate, by rank",
    caption: `After half of these steps the ranks differ by ${share} % of what is learned by then with α/r, and by ${other} % with α/√r, whose first steps are about as long at every rank and save more at a higher one.`,
    xLabel: "step",
    yLabel: "training loss, nats",
  });
  return {
    picture,
    apart: mean(plain),
    verdict: within(plain, 0, { par: 0.1 }),
    note: `After ${Math.floor(steps / 2)} steps the ranks differ by ${share} % of what is learned by then; with α/√r by ${other} %. "Exactly" holds for the mean of the first step only: each rank draws its own A.`,
  };
}

/** Where a ratio is measured. */
export type Place = Pick<KnownShift, "name" | "base">;

export interface RatioOptions {
  readonly rank: number;
  readonly alpha: number;
  readonly steps: number;
  readonly rows: number;
  readonly seeds: number;
  readonly fullRates: readonly number[];
  readonly loraRates: readonly number[];
}

/**
 * Two further curves of rates on a shift, with a quarter of α and with a fifth of the steps. They are added to `tried`
 * under names of their own.
 */
export function ratioRuns(tried: Tried[], shift: KnownShift, options: RatioOptions): [Place, Place] {
  const { rank, alpha, steps, fullRates, loraRates, ...protocol } = options;
  const quarter = { ...shift, name: `${shift.name}, α = ${alpha / 4}` };
  const short = { ...shift, name: `${shift.name}, ${Math.ceil(steps / 5)} steps` };
  const higher = loraRates.map((rate) => 4 * rate);
  const fulls = tried.filter((one) => one.arm === FULL && one.shift === shift.name);
  tried.push(
    ...fulls.map((one) => ({ ...one, shift: quarter.name })),
    ...tryRates([lora(higher, { rank, alpha: alpha / 4 })], quarter, { ...protocol, steps }),
    ...tryRates(
      [
        full(fullRates.map((rate) => 2 * rate)),
        lora(
          loraRates.map((rate) => 2 * rate),
          { rank, alpha },
        ),
      ],
      short,
      { ...protocol, steps: Math.ceil(steps / 5) },
    ),
  );
  return [quarter, short];
}

/** The table of ratios; `firstStep` is the ratio at which the first steps save as much. */
export function ratioTable(
  tried: readonly Tried[],
  places: readonly Place[],
  arm: string,
  firstStep: number,
) {
  return table(
    places.map(({ base, name }) => ({
      "adapted to": `${base}: ${name}`,
      "LoRA's best rate over full's": factor(ratios(tried, arm, name)),
    })),
    {
      title: `The ratio of the best rates: ${arm} over full fine-tuning`,
      tolerance: 0.1,
      note: `Mean and 95 % interval over seeds. For equal savings in the first step, at the matrix above: ${firstStep.toPrecision(2)}.`,
    },
  );
}

/** The best rates by rank. */
export function rankTable(tried: readonly Tried[], ranks: readonly number[], shift: string) {
  return table(
    ranks.map((r) => {
      const bests = bestRates(tried, `LoRA, r = ${r}`, shift);
      return {
        "rank r": r,
        "best rate": meanStd(bests.map(({ rate }) => rate)),
        "held-out loss there": meanStd(bests.map(({ loss }) => loss)),
        "at the edge of the grid": bests.some(({ atEdge }) => atEdge),
      };
    }),
    { title: "The best rate by rank, on the far shift", tolerance: 0.1 },
  );
}

/** log₂ of the best rate of one rank over that of another, for each seed. */
export function octaves(tried: readonly Tried[], shift: string, [a, b]: readonly [number, number]): number[] {
  const [first, second] = [a, b].map((r) => bestRates(tried, `LoRA, r = ${r}`, shift));
  return first.map(({ rate }, i) => Math.log2(rate / second[i].rate));
}
