/** @file The rank dial: an ideal update with known singular values, beside the best that B A of rank r makes of it. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { ErrorCurves } from "./error-curves.tsx";
import { useSeen, useTraining } from "./frames.ts";
import { Heat } from "./heat.tsx";
import { Choice, digits, Frame, percent, Slider, type ToyProps } from "./parts.tsx";
import { BARS, bound, plantedUpdate, SIDE, trainPlanted } from "./planted.ts";
import { ScaledRows } from "./scaled-rows.tsx";

const START = [3, 2.4, 1.8, 1.3, 0.9, 0.6, 0.3, 0.15];
const HIGHEST = 4;
export const STEPS = 160;

type Tab = "update" | "rows";

export function RankDial({ sources }: ToyProps): JSX.Element {
  const tab = useSignal<Tab>("update");
  return (
    <Frame
      id="rank-dial"
      title="A rank dial"
      sources={sources}
      lines={tab.value === "update" ? ["update", "start", "eckartYoung"] : ["dora", "eckartYoung"]}
      tex={
        tab.value === "update"
          ? [
              String.raw`\min\, \lVert \Delta W^* - \tfrac{\alpha}{r} B A \rVert^2 = \sigma_{r+1}^2 + \sigma_{r+2}^2 + \dots`,
            ]
          : [
              String.raw`W^* = \operatorname{diag}(m)\, W_0`,
              String.raw`W' = m\, \frac{W_0 + BA}{\lVert W_0 + BA \rVert}`,
            ]
      }
      lead={
        <p>
          Suppose we knew the change ΔW* that a matrix needs. LoRA can only offer a product BA of rank r. By
          the theorem of Eckart and Young the best such product copies the r largest singular values of ΔW*
          and leaves all others: with r = 2 of the eight that are drawn at first, {percent(bound(START, 2))}{" "}
          of the squared length of ΔW* must stay; with r = 8, none. Training does reach this limit. Drag a
          bar, or turn the rank.
        </p>
      }
    >
      <Choice
        label="What the matrix needs"
        options={[
          ["update", "a low-rank update"],
          ["rows", "longer and shorter rows"],
        ]}
        value={tab.value}
        onInput={(value) => {
          tab.value = value;
        }}
      />
      {tab.value === "update" ? <PlantedUpdate /> : <ScaledRows />}
    </Frame>
  );
}

function PlantedUpdate(): JSX.Element {
  const values = useSignal<readonly number[]>(START);
  const rank = useSignal(2);
  const scaling = useSignal(0);
  const rate = useSignal(-1.4);
  const ratio = useSignal(0);
  const zero = useSignal<"A" | "B">("B");
  const [place, seen] = useSeen<HTMLDivElement>();

  const ideal = useMemo(() => plantedUpdate(values.value), [values.value]);
  const state = useTraining(
    () =>
      trainPlanted(ideal, {
        method: "LoRA",
        rank: rank.value,
        scaling: 2 ** scaling.value,
        rate: 10 ** rate.value,
        ratio: 2 ** ratio.value,
        zero: zero.value,
        steps: STEPS,
      }),
    [ideal, rank.value, scaling.value, rate.value, ratio.value, zero.value],
    seen,
    2,
  );
  const sorted = [...values.value].sort((a, b) => b - a);
  const least = bound(sorted, rank.value);
  const error = state.errors.at(-1) ?? 1;
  const largest = ideal.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const heat = { rows: SIDE, columns: SIDE, largest };
  return (
    <div ref={place}>
      <fieldset class="toy-bars" aria-label="Singular values of ΔW*">
        {values.value.map((value, k) => (
          <Bar
            key={k}
            name={`σ${"₁₂₃₄₅₆₇₈"[k]}`}
            value={value}
            learned={state.values[rankOf(values.value, k)]}
            onInput={(next) => {
              values.value = values.value.with(k, next);
            }}
          />
        ))}
      </fieldset>
      <p class="toy-note">
        Bars: the singular values of ΔW*. Filled: those of (α/r)BA after {state.step} steps. At most r ={" "}
        {rank.value} of them can leave zero.
      </p>
      <div class="toy-controls">
        <Slider
          label="rank r"
          value={rank.value}
          min={1}
          max={BARS}
          onInput={(value) => {
            rank.value = value;
          }}
        />
        <Slider
          label="scale α/r"
          value={scaling.value}
          min={-2}
          max={3}
          text={`${2 ** scaling.value} (α = ${rank.value * 2 ** scaling.value})`}
          onInput={(value) => {
            scaling.value = value;
          }}
        />
        <Slider
          label={
            <>
              rate of A, η<sub>A</sub>
            </>
          }
          value={rate.value}
          min={-3.4}
          max={0}
          step={0.2}
          text={digits(10 ** rate.value, 2)}
          onInput={(value) => {
            rate.value = value;
          }}
        />
        <Slider
          label={
            <>
              ratio η<sub>B</sub>/η<sub>A</sub>
            </>
          }
          value={ratio.value}
          min={-4}
          max={4}
          text={ratio.value < 0 ? `1/${2 ** -ratio.value}` : `${2 ** ratio.value}`}
          onInput={(value) => {
            ratio.value = value;
          }}
        />
        <Choice
          label="starts at zero"
          options={[
            ["B", "B"],
            ["A", "A"],
          ]}
          value={zero.value}
          onInput={(value) => {
            zero.value = value;
          }}
        />
      </div>
      <div class="toy-heats">
        <Heat {...heat} title="ΔW*" values={ideal} text="The ideal update, 32 by 32" />
        <Heat {...heat} title="(α/r) B A" values={state.delta} text="What training has made" />
        <Heat {...heat} title="what is left" values={state.left} text="The difference of the two" />
      </div>
      <ErrorCurves steps={STEPS} least={least} curves={[{ name: "LoRA", errors: state.errors }]} />
      <p class="toy-result" aria-live="off">
        After step {state.step}: <strong>{percent(error)}</strong> of ‖ΔW*‖² is left; no product of rank{" "}
        {rank.value} can leave less than <strong>{percent(least)}</strong>.
      </p>
    </div>
  );
}

/** How many of the values are larger than that at place k, so that learned values stand at the right bar. */
function rankOf(values: readonly number[], k: number): number {
  return values.filter((value, i) => value > values[k] || (value === values[k] && i < k)).length;
}

interface BarProps {
  readonly name: string;
  readonly value: number;
  readonly learned: number;
  readonly onInput: (value: number) => void;
}

/** A singular value as a bar, which is a slider that stands upright. */
function Bar({ name, value, learned, onInput }: BarProps): JSX.Element {
  return (
    <label
      class="toy-bar"
      style={{ "--value": value / HIGHEST, "--learned": Math.min(1, learned / HIGHEST) }}
    >
      <input
        type="range"
        min={0}
        max={HIGHEST}
        step={0.05}
        value={value}
        aria-label={name}
        onInput={({ currentTarget }) => onInput(currentTarget.valueAsNumber)}
      />
      <span>
        {name}
        <br />
        {digits(value, 2)}
      </span>
    </label>
  );
}
