/** @file DoRA's row: one row of a weight as an arrow, its length and its direction changed apart. */
import * as Plot from "@observablehq/plot";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { colorsOf } from "../../../support/show/colors.ts";
import { Chart } from "./chart.tsx";
import { useSeen, useTraining } from "./frames.ts";
import { Choice, Frame, Slider, type ToyProps } from "./parts.tsx";
import { Plane } from "./plane.tsx";
import {
  byHand,
  changeOf,
  LENGTH,
  methods,
  type Paths,
  type Point,
  STEPS,
  trainRow,
  turned,
  W0,
} from "./row.ts";

const INK = "var(--pico-color)";
const QUIET = "var(--pico-muted-color)";
const colors = colorsOf(methods);
const [, LORA, DORA] = colors;

type Tab = "hand" | "training";

export function DoraRow({ sources }: ToyProps): JSX.Element {
  const tab = useSignal<Tab>("hand");
  return (
    <Frame
      id="dora-row"
      title="DoRA's row"
      sources={sources}
      lines={["dora", "update"]}
      tex={[
        String.raw`w' = m\, \frac{w_0 + BA}{\lVert w_0 + BA \rVert}`,
        String.raw`\Delta M = \bigl| \lVert w' \rVert - \lVert w_0 \rVert \bigr|, \qquad \Delta D = 1 - \cos(w', w_0)`,
      ]}
      lead={
        <p>
          A row of a weight is an arrow with a length and a direction. LoRA adds an update to it, which as a
          rule changes both: whoever only wants to turn the row must also mend its length with the same
          update. DoRA keeps the direction of w₀ + BA alone and trains the length m for itself. At the start
          BA = 0 and m = ‖w₀‖, so nothing has changed.
        </p>
      }
    >
      <Choice
        label="The row is moved"
        options={[
          ["hand", "by hand"],
          ["training", "by training"],
        ]}
        value={tab.value}
        onInput={(value) => {
          tab.value = value;
        }}
      />
      {tab.value === "hand" ? <ByHand /> : <ByTraining />}
    </Frame>
  );
}

const signed = (value: number): string => value.toFixed(2).replace("-", "−");

function ByHand(): JSX.Element {
  const u = useSignal<Point>([-1.4, 1.05]);
  const m = useSignal(LENGTH);
  const { lora, dora } = useMemo(() => byHand(u.value, m.value), [u.value, m.value]);
  const [ofLora, ofDora] = [changeOf(lora), changeOf(dora)];
  return (
    <div class="toy-columns">
      <Plane
        text="The row w₀, the update, LoRA's row and DoRA's row"
        circles={[LENGTH, m.value]}
        arrows={[
          { name: "w₀", to: W0, color: INK },
          { name: "BA", from: W0, to: lora, color: QUIET, dashed: true },
          { name: "LoRA", to: lora, color: LORA },
          { name: "DoRA", to: dora, color: DORA },
        ]}
        onDrag={([x, y]) => {
          u.value = [x - W0[0], y - W0[1]];
        }}
      />
      <div>
        <Slider
          label="update BA, to the right"
          value={u.value[0]}
          min={-2.5}
          max={2.5}
          step={0.05}
          text={signed(u.value[0])}
          onInput={(x) => {
            u.value = [x, u.value[1]];
          }}
        />
        <Slider
          label="update BA, upwards"
          value={u.value[1]}
          min={-2.5}
          max={2.5}
          step={0.05}
          text={signed(u.value[1])}
          onInput={(y) => {
            u.value = [u.value[0], y];
          }}
        />
        <Slider
          label="magnitude m"
          value={m.value}
          min={0}
          max={2.5}
          step={0.05}
          text={m.value.toFixed(2)}
          onInput={(value) => {
            m.value = value;
          }}
        />
        <table class="toy-table">
          <thead>
            <tr>
              <th>row</th>
              <th>ΔM, of the length</th>
              <th>ΔD, of the direction</th>
            </tr>
          </thead>
          <tbody>
            {[
              { name: "LoRA", ...ofLora },
              { name: "DoRA", ...ofDora },
            ].map(({ name, magnitude, direction }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{magnitude.toFixed(2)}</td>
                <td>{direction.toFixed(2)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p class="toy-note">
          Drag in the picture to move the end of the update. Both rows have one direction; the circles are
          ‖w₀‖ = 1.25 and m.
        </p>
      </div>
    </div>
  );
}

function ByTraining(): JSX.Element {
  const degrees = useSignal(70);
  const factor = useSignal(1);
  const scrubbed = useSignal<number | null>(null);
  const [place, seen] = useSeen<HTMLDivElement>();
  const target = useMemo(() => turned(degrees.value, factor.value), [degrees.value, factor.value]);
  const paths = useTraining<Paths>(() => trainRow(target), [target], seen, 1);
  const done = paths.LoRA.length - 1;
  const t = Math.min(scrubbed.value ?? done, done);
  const aim = (angle: number, length: number): void => {
    degrees.value = angle;
    factor.value = length;
    scrubbed.value = null;
  };
  return (
    <div ref={place}>
      <div class="toy-columns">
        <Plane
          text="The paths of the row by three methods to its target"
          circles={[LENGTH]}
          target={target}
          paths={methods.map((method, k) => ({ points: paths[method].slice(0, t + 1), color: colors[k] }))}
          arrows={[
            { name: "w₀", to: W0, color: INK },
            ...methods.map((method, k) => ({
              name: method,
              isNamed: false,
              to: paths[method][t],
              color: colors[k],
            })),
          ]}
          onDrag={([x, y]) => {
            const angle = Math.atan2(y, x) - Math.atan2(W0[1], W0[0]);
            const turn = ((((angle * 180) / Math.PI + 180) % 360) + 360) % 360;
            aim(
              Math.round(turn - 180),
              Math.min(2, Math.max(0.2, Math.round((20 * Math.hypot(x, y)) / LENGTH) / 20)),
            );
          }}
        />
        <div>
          <Slider
            label="target: turned by"
            value={degrees.value}
            min={-180}
            max={180}
            step={5}
            text={`${degrees.value}°`}
            onInput={(angle) => aim(angle, factor.value)}
          />
          <Slider
            label="target: times as long"
            value={factor.value}
            min={0.2}
            max={2}
            step={0.05}
            text={factor.value.toFixed(2)}
            onInput={(length) => aim(degrees.value, length)}
          />
          <Slider
            label="step"
            value={t}
            min={0}
            max={STEPS}
            text={`${t}`}
            onInput={(step) => {
              scrubbed.value = step === STEPS ? null : step;
            }}
          />
          <p class="toy-legend">
            {methods.map((method, k) => (
              <span key={method}>
                <i style={{ background: colors[k] }} /> {method}
              </span>
            ))}
          </p>
          <Changes paths={paths} t={t} />
        </div>
      </div>
      <p class="toy-note">
        Gradient descent on ½‖w′ − w*‖², one rate for all, rank 1. With B = 0, LoRA's first step can only go
        along A. Of the three it is here DoRA that leaves the circle furthest: m follows its gradient at once,
        while the direction waits for B. With a target turned by 120° and half as long, m falls below zero
        before the row has turned, and the row ends up pointing backwards.
      </p>
    </div>
  );
}

/** ΔM against ΔD of the three methods up to a step. */
function Changes({ paths, t }: { paths: Paths; t: number }): JSX.Element {
  const series = methods.map((method) => paths[method].slice(0, t + 1).map(changeOf));
  const last = series.map((changes) => changes[t]);
  return (
    <Chart
      text={methods
        .map((name, k) => `${name}: ΔD ${last[k].direction.toFixed(2)}, ΔM ${last[k].magnitude.toFixed(2)}`)
        .join("; ")}
      keys={[paths, t]}
      options={() => ({
        height: 190,
        x: { label: "ΔD", domain: [0, Math.max(0.5, ...series.flat().map(({ direction }) => direction))] },
        y: {
          label: "ΔM",
          domain: [0, Math.max(0.5, ...series.flat().map(({ magnitude }) => magnitude))],
          grid: true,
        },
        marks: series.flatMap((changes, k) => [
          Plot.line(changes, { x: "direction", y: "magnitude", stroke: colors[k], strokeWidth: 2 }),
          Plot.dot([last[k]], { x: "direction", y: "magnitude", fill: colors[k], r: 5 }),
        ]),
      })}
    />
  );
}
