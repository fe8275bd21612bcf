/** @file Samples of the texts, and the sentences at the top of the page on learning and forgetting. */
import type { Domain } from "../../support/data/domain.ts";
import { mean } from "../../support/experiments/statistics.ts";
import type { Judgement } from "../../support/experiments/verdicts.ts";
import { md } from "../../support/index.ts";

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
  readonly learnsLess: Judgement;
  readonly forgetsLess: Judgement;
  /** At equal learning on the far shift: the lowest and the highest rank, and the highest at a quarter of the rates. */
  readonly atLow: Judgement;
  readonly atHigh: Judgement;
  readonly gently: Judgement;
  readonly more: Judgement;
  readonly ρ: number;
  readonly byKnob: readonly number[];
  readonly byIntruders: readonly number[];
  /** Whether switching the adapter off restores the base to the last bit. */
  readonly restored: boolean;
  readonly low: string;
  readonly high: string;
}

const told = ({ verdict }: Judgement, yes: string, no: string, par: string, open: string): string =>
  ({ supported: yes, contradicted: no, "on a par": par, "cannot tell": open })[verdict];

/** Four sentences, each true of this run. */
export function opening(found: Found) {
  const { low, high, atLow, atHigh, gently } = found;
  const learning = told(
    found.learnsLess,
    "learns less",
    "does not learn less",
    "learns as much",
    "learns about as much, as far as this run can tell,",
  );
  const forgetting = told(
    found.forgetsLess,
    "forgets less",
    "does not forget less",
    "forgets as much",
    "forgets not measurably less",
  );
  const equally = (judgement: Judgement): string =>
    told(judgement, "less", "more", "as much, no less", "not measurably less");
  const intruders = told(
    found.more,
    "LoRA leaves new directions in the weights that full fine-tuning does not",
    "LoRA does not leave more new directions in the weights than full fine-tuning",
    "LoRA and full fine-tuning leave equally many new directions in the weights",
    "whether LoRA leaves more new directions in the weights than full fine-tuning stays open in this run",
  );
  const [knob, top] = [mean(found.byKnob), mean(found.byIntruders)].map(
    (share) => `${Math.round(100 * share)} %`,
  );
  return md`
    After equally many steps ${low} ${learning} than full fine-tuning and ${forgetting}. **At equal learning** on the far
    shift it forgets ${equally(atLow)} than full fine-tuning, and ${high} ${equally(atHigh)}; at a quarter of all rates ${high}
    forgets ${equally(gently)}. ${intruders[0].toUpperCase()}${intruders.slice(1)};
    over rates and lengths of one rank their number goes with forgetting at a rank correlation of ${found.ρ.toFixed(2)}. Scaling the
    whole update to one half removes ${knob} more of the forgetting than of the learning, scaling the top intruders ${top}.
    ${found.restored ? "An adapter that is kept apart can be switched off, and the base is back to the last bit." : ""}
  `;
}
