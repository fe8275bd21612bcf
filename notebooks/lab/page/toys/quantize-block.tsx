/** @file Quantize a block: sixteen values under the histogram of a tensor, which can be moved. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { colorsOf } from "../../../support/show/colors.ts";
import { Check, Choice, Frame, Slider, type ToyProps } from "./parts.tsx";
import {
  type Book,
  COUNT,
  histogram,
  type Quantization,
  quantizeWith,
  type Shape,
  typicalLargest,
  valuesOf,
  weightsOf,
} from "./quantize.ts";

const NAMES: Readonly<Record<Book, string>> = { int4: "Int4", fp4: "FP4", nf4: "NF4" };
const BOOKS = Object.keys(NAMES) as Book[];
const BINS = 80;
/** Weights of a block that are drawn, at most. */
const DRAWN = 64;

export function QuantizeBlock({ sources }: ToyProps): JSX.Element {
  const shape = useSignal<Shape>("normal");
  const book = useSignal<Book | "own">("nf4");
  const own = useSignal<readonly number[]>(valuesOf("nf4"));
  const size = useSignal(6);
  const doubleQuant = useSignal(false);
  const block = useSignal(0);

  const x = useMemo(() => weightsOf(shape.value), [shape.value]);
  const options = { blockSize: 2 ** size.value, doubleQuant: doubleQuant.value };
  const formats = useMemo(
    () => BOOKS.map((name) => ({ name, ...quantizeWith(x, name, options) })),
    [x, size.value, doubleQuant.value],
  );
  const mine = useMemo(
    () => quantizeWith(x, own.value, options),
    [x, own.value, size.value, doubleQuant.value],
  );
  const shown = book.value === "own" ? mine : formats[BOOKS.indexOf(book.value)];
  const values = book.value === "own" ? own.value : valuesOf(book.value);
  const counts = useMemo(() => histogram(shown.scaled, BINS), [shown.scaled]);
  const blocks = COUNT / options.blockSize;
  const at = Math.min(block.value, blocks - 1);
  const [int4, fp4, nf4] = useMemo(normalErrors, []);

  return (
    <Frame
      id="quantize-block"
      title="Quantize a block"
      sources={sources}
      lines={["nf4", "blocks", "nearest", "doubleQuant"]}
      tex={[
        String.raw`x_i \approx v_{c_i} \cdot \operatorname{absmax}(x)`,
        String.raw`c_i = \operatorname*{arg\,min}_c \left| \tfrac{x_i}{\operatorname{absmax}(x)} - v_c \right|`,
      ]}
      lead={
        <p>
          Four bits can name sixteen numbers. A tensor is cut into blocks; each block is divided by its
          largest weight, and each weight becomes the nearest of sixteen values in [−1, 1]. Where should these
          values lie? For normal weights in blocks of 64, equal steps (Int4) lose {int4} of the tensor's
          length, since they spend many values on rare large weights. Floating point (FP4) spends many near
          zero and loses {fp4}. NF4 takes quantiles of the normal distribution and loses {nf4}. Move the
          values and try to do better. Then let there be outliers and make the blocks larger: one large weight
          takes the sixteen values away from all others of its block.
        </p>
      }
    >
      <div class="toy-controls">
        <Choice
          label="sixteen values"
          options={[...BOOKS.map((name) => [name, NAMES[name]] as const), ["own", "yours"]]}
          value={book.value}
          onInput={(value) => {
            if (value === "own") own.value = values;
            book.value = value;
          }}
        />
        <Choice
          label="weights"
          options={[
            ["normal", "normal"],
            ["heavy", "heavy tails"],
            ["outliers", "outliers"],
          ]}
          value={shape.value}
          onInput={(value) => {
            shape.value = value;
          }}
        />
        <Slider
          label="block size B"
          value={size.value}
          min={5}
          max={12}
          text={`${2 ** size.value}`}
          onInput={(value) => {
            size.value = value;
          }}
        />
        <Check
          label="double quantization: the constants in 8 bits"
          checked={doubleQuant.value}
          onInput={(on) => {
            doubleQuant.value = on;
          }}
        />
      </div>
      <div class="toy-values">
        <Histogram counts={counts} values={values} />
        <fieldset aria-label="The sixteen values">
          {values.map((value, k) => (
            <input
              key={k}
              type="range"
              min={-1}
              max={1}
              step={0.005}
              value={value}
              aria-label={`value ${k + 1}`}
              onInput={({ currentTarget }) => {
                const next = Math.min(
                  values[k + 1] ?? 1,
                  Math.max(values[k - 1] ?? -1, currentTarget.valueAsNumber),
                );
                currentTarget.value = String(next);
                own.value = values.with(k, next);
                book.value = "own";
              }}
            />
          ))}
        </fieldset>
        <Rounded quantization={shown} from={at * options.blockSize} to={(at + 1) * options.blockSize} />
      </div>
      <p class="toy-note">
        Above: all {COUNT.toLocaleString("en")} weights, each divided by the largest of its block, and the
        sixteen values. Below: {options.blockSize > DRAWN ? `the first ${DRAWN} weights of` : ""} block{" "}
        {at + 1} of {blocks}, before and after. In a block of {options.blockSize} normal weights the largest
        is about {typicalLargest(options.blockSize).toFixed(1)} standard deviations.
      </p>
      <div class="toy-controls">
        <Slider
          label="block shown"
          value={at}
          min={0}
          max={blocks - 1}
          text={`${at + 1}`}
          onInput={(value) => {
            block.value = value;
          }}
        />
      </div>
      <Results
        rows={[...formats.map((row) => ({ ...row, label: NAMES[row.name] })), { ...mine, label: "yours" }]}
      />
      <p class="toy-result">
        Bits per weight: 4 + {doubleQuant.value ? "8/B + 32/(256 B)" : "32/B"} ={" "}
        <strong>{shown.bits.toFixed(3)}</strong>
        {doubleQuant.value && ", with the mean of the constants"}.
      </p>
    </Frame>
  );
}

function Results({ rows }: { rows: readonly (Quantization & { readonly label: string })[] }): JSX.Element {
  const least = Math.min(...rows.map(({ error }) => error));
  return (
    <table class="toy-table">
      <thead>
        <tr>
          <th>values</th>
          <th>error ‖x̂ − x‖/‖x‖</th>
          <th>entropy of the codes, of 4 bits</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ label, error, entropy }) => (
          <tr key={label}>
            <th scope="row">{label}</th>
            <td>
              {error === least ? (
                <strong>{(100 * error).toFixed(2)} %</strong>
              ) : (
                `${(100 * error).toFixed(2)} %`
              )}
            </td>
            <td>{entropy.toFixed(2)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The errors of the formats on normal weights in blocks of 64. */
const normalErrors = (): string[] =>
  BOOKS.map((name) => {
    const { error } = quantizeWith(weightsOf("normal"), name, { blockSize: 64, doubleQuant: false });
    return `${(100 * error).toFixed(1)} %`;
  });

const position = (value: number): number => 500 * (value + 1);

function Histogram({
  counts,
  values,
}: {
  counts: readonly number[];
  values: readonly number[];
}): JSX.Element {
  const most = Math.max(...counts);
  return (
    <svg viewBox="0 0 1000 130" preserveAspectRatio="none" class="toy-histogram" aria-hidden="true">
      {counts.map((count, k) => (
        <rect
          key={k}
          x={(1000 * k) / counts.length}
          width={1000 / counts.length - 1}
          y={130 - (120 * count) / most}
          height={(120 * count) / most}
        />
      ))}
      {values.map((value, k) => (
        <line
          key={k}
          x1={position(value)}
          x2={position(value)}
          y1={0}
          y2={130}
          stroke={colorsOf(["NF4"])[0]}
        />
      ))}
    </svg>
  );
}

/** Each weight of a block, joined to the value that it becomes. */
function Rounded({
  quantization,
  from,
  to,
}: {
  quantization: Quantization;
  from: number;
  to: number;
}): JSX.Element {
  const { scaled, restored, absmax } = quantization;
  const scale = absmax[Math.floor(from / (to - from))] || 1;
  const indices = Array.from({ length: Math.min(DRAWN, to - from) }, (_, i) => from + i);
  return (
    <svg viewBox="0 0 1000 90" preserveAspectRatio="none" class="toy-rounded" aria-hidden="true">
      {indices.map((i) => (
        <line key={i} x1={position(scaled[i])} y1={0} x2={position(restored[i] / scale)} y2={90} />
      ))}
    </svg>
  );
}
