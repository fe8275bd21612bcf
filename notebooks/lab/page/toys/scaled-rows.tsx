/** @file The rank dial's second tab: an ideal weight whose rows are longer or shorter, for LoRA and for DoRA. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { colorsOf } from "../../../support/show/colors.ts";
import { ErrorCurves } from "./error-curves.tsx";
import { useSeen, useTraining } from "./frames.ts";
import { Heat } from "./heat.tsx";
import { Choice, digits, percent, Slider } from "./parts.tsx";
import { bound, type PlantedSettings, SIDE, scaledRows, singularValues, trainPlanted } from "./planted.ts";

const STEPS = 160;

export function ScaledRows(): JSX.Element {
  const rank = useSignal(2);
  const spread = useSignal(2);
  const rate = useSignal(-1.4);
  const shown = useSignal<"LoRA" | "DoRA">("DoRA");
  const [place, seen] = useSeen<HTMLDivElement>();

  const ideal = useMemo(() => scaledRows(spread.value), [spread.value]);
  const values = useMemo(() => singularValues(ideal), [ideal]);
  const settings = {
    rank: rank.value,
    scaling: 1,
    rate: 10 ** rate.value,
    ratio: 1,
    zero: "B",
    steps: STEPS,
  } as const;
  const keys = [ideal, rank.value, rate.value];
  const train = (method: PlantedSettings["method"]) => () => trainPlanted(ideal, { ...settings, method });
  const states = {
    LoRA: useTraining(train("LoRA"), keys, seen, 2),
    DoRA: useTraining(train("DoRA"), keys, seen, 2),
  };
  const state = states[shown.value];
  const least = bound(values, rank.value);
  const largest = ideal.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const heat = { rows: SIDE, columns: SIDE, largest };
  const error = ({ errors }: { errors: readonly number[] }): string => percent(errors.at(-1) ?? 1);
  const [lora, dora] = colorsOf(["LoRA", "DoRA"]);
  return (
    <div ref={place}>
      <p>
        Here each row of W₀ must only become longer or shorter, W* = diag(m) W₀. As an update, W* − W₀ has
        full rank, and the bound for rank {rank.value} is {percent(least)}. It holds for LoRA. DoRA trains one
        magnitude for each row beside BA, and needs no rank for this at all.
      </p>
      <div class="toy-controls">
        <Choice
          label="in the pictures"
          options={[
            ["LoRA", "LoRA"],
            ["DoRA", "DoRA"],
          ]}
          value={shown.value}
          onInput={(value) => {
            shown.value = value;
          }}
        />
        <Slider
          label="rank r"
          value={rank.value}
          min={1}
          max={16}
          onInput={(value) => {
            rank.value = value;
          }}
        />
        <Slider
          label="rows change by factors up to"
          value={spread.value}
          min={1.1}
          max={4}
          step={0.1}
          text={`${spread.value}`}
          onInput={(value) => {
            spread.value = value;
          }}
        />
        <Slider
          label="learning rate"
          value={rate.value}
          min={-3.4}
          max={0}
          step={0.2}
          text={digits(10 ** rate.value, 2)}
          onInput={(value) => {
            rate.value = value;
          }}
        />
      </div>
      <div class="toy-heats">
        <Heat {...heat} title="W* − W₀" values={ideal} text="The ideal change, 32 by 32" />
        <Heat
          {...heat}
          title={`${shown.value}'s W′ − W₀`}
          values={state.delta}
          text="What training has made"
        />
        <Heat {...heat} title="what is left" values={state.left} text="The difference of the two" />
      </div>
      <ErrorCurves
        steps={STEPS}
        least={least}
        curves={[
          { name: "LoRA", errors: states.LoRA.errors },
          { name: "DoRA", errors: states.DoRA.errors },
        ]}
      />
      <p class="toy-result">
        After step {state.step}: <strong style={{ color: lora }}>LoRA</strong> leaves {error(states.LoRA)},{" "}
        <strong style={{ color: dora }}>DoRA</strong> {error(states.DoRA)}. No update of rank {rank.value} can
        leave less than {percent(least)}.
      </p>
    </div>
  );
}
