/** @file Samples of the texts, and the sentences at the top of the page on learning and forgetting. */
import type { Domain } from "../../support/data/domain.ts";
import { mean } from "../../support/experiments/statistics.ts";
import type { Judgement } from "../../support/experiments/verdicts.ts";
import { md, table } from "../../support/index.ts";
import type { Arm } from "./runs.ts";

/** The beginning of a held-out row. */
export function sample(
  { validation }: Domain,
  { decode }: { decode(ids: readonly number[]): string },
): string {
  const { ids } = validation[0];
  const text = decode(Array.from(ids.data.slice(0, ids.shape[1])));
  return text.trim().replace(/\s*\n\s*/g, " ⏎ ");
}

export interface Found {
  /** Steps of the longest runs. */
  readonly steps: number;
  readonly low: string;
  readonly high: string;
  /** Forgotten at equal learning, by seed: full fine-tuning, the lowest and the highest rank of LoRA on the far shift. */
  readonly equally: readonly (readonly number[])[];
  /** The same of full fine-tuning and the highest rank at a quarter of the rates. */
  readonly gently: readonly (readonly number[])[];
  /** Verdicts on "LoRA forgets less at equal learning": both ranks, and the highest at a quarter of the rates. */
  readonly atEqual: Judgement;
  readonly atQuarter: Judgement;
  /** Verdict on "LoRA leaves intruders where full fine-tuning leaves none", and their numbers after the longest runs. */
  readonly more: Judgement;
  readonly intruders: { readonly full: number; readonly lora: number };
  readonly ρ: number;
  readonly byKnob: readonly number[];
  readonly byIntruders: readonly number[];
  /** Whether switching the adapter off restores the base to the last bit. */
  readonly restored: boolean;
}

const told = ({ verdict }: Judgement, yes: string, no: string, par: string, open: string): string =>
  ({ supported: yes, contradicted: no, "on a par": par, "cannot tell": open })[verdict];

/** What a judgement says of "LoRA forgets less". */
const less = (judgement: Judgement): string =>
  told(
    judgement,
    "LoRA forgets less even at equal learning",
    "LoRA does not forget less, it forgets more",
    "they forget as much",
    "these seeds do not settle who forgets less",
  );

/** The rates that were tried and chosen, base by base. */
export function ratesTable(bases: Readonly<Record<string, readonly Arm[]>>) {
  const rows = Object.entries(bases).flatMap(([base, arms]) =>
    arms.map(({ name, rates, tried = [] }) => ({
      base,
      method: name,
      "rate chosen": rates[0],
      "rates tried, and their losses": tried
        .map(({ rate, loss }) => `${rate}: ${loss.toPrecision(3)}`)
        .join(", "),
    })),
  );
  return table(rows, { title: "Learning rates", tolerance: 0.05 });
}

/** Four or five sentences, each true of this run. */
export function opening(found: Found) {
  const [low, high] = [found.low, found.high].map((name) => name.replace("LoRA, r = ", "LoRA of rank "));
  const nats = (values: readonly number[]): string => mean(values).toPrecision(2);
  const [full, atLow, atHigh] = found.equally.map(nats);
  const [fullGently, highGently] = found.gently.map(nats);
  const { full: none, lora: some } = found.intruders;
  const again = found.atQuarter.verdict === found.atEqual.verdict ? "the same again" : less(found.atQuarter);
  const points = (shares: readonly number[]): string =>
    String(Math.round(100 * mean(shares))).replace("-", "−");
  const off = found.restored
    ? "An adapter that is kept apart can be switched off, and the base is back to the last bit."
    : "";
  return md`
    **At equal learning** on the far shift, full fine-tuning has forgotten ${full} nats of the base's own text, ${low} ${atLow}
    and ${high} ${atHigh}: ${less(found.atEqual)}. At a quarter of all rates it is ${fullGently} against ${highGently} (${high}):
    ${again}. After ${found.steps} steps ${high} has left ${shown(some)} intruder dimensions in the weights, and
    full fine-tuning ${shown(none)}; over rates and lengths, more of them go with more forgetting at a rank correlation of
    ${found.ρ.toFixed(2).replace("-", "−")}. Turning the whole update down to one half takes back ${points(found.byKnob)}
    percentage points more of the forgetting than of the learning; for the top intruders alone the number is
    ${points(found.byIntruders)}. ${off}
  `;
}

const shown = (value: number): string => String(Number(value.toPrecision(2)));
