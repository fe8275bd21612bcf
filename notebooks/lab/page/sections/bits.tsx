/** @file "Four bits": the values of the format on the histogram of a matrix, and what quantization does to the loss. */
import { useMemo } from "preact/hooks";
import type { Grid } from "../../engine/types.ts";
import { codebookChart } from "../charts/codebook.ts";
import { nats, number } from "../parts/format.ts";
import { MatrixChoice, useWatching } from "../parts/matrix-choice.tsx";
import { Picture } from "../parts/picture.tsx";
import { Plotted } from "../parts/plotted.tsx";
import { Choose } from "../parts/setting-link.tsx";
import { useLab } from "../state/lab.ts";
import { formatTitles } from "../state/names.ts";
import { isAlive, lastMeasured } from "../state/run.ts";
import { QuantizeBlock } from "../toys/index.ts";
import { histogram, quantizeWith, valuesOf } from "../toys/quantize.ts";
import { Figure } from "./merging.tsx";
import { lookedOf } from "./zero.tsx";

export function Bits() {
  const { data } = useLab();
  return (
    <section id="bits">
      <h2>Four bits</h2>
      <p>
        W₀ is never trained, so it need not be kept exactly. QLoRA stores each weight as one of sixteen values
        times a constant of its block, and trains an adapter in full precision beside it. Weights of a trained
        network are spread much like a bell, so NF4 puts its values close together in the middle and further
        apart at the ends. Store the base in <Choose to={{ format: "nf4", method: "lora" }}>NF4</Choose>,{" "}
        <Choose to={{ format: "fp4", method: "lora" }}>FP4</Choose>,{" "}
        <Choose to={{ format: "int4", method: "lora" }}>Int4</Choose> or{" "}
        <Choose to={{ format: "int8", method: "lora" }}>int8</Choose>, or again in{" "}
        <Choose to={{ format: "float32" }}>float32</Choose>.
      </p>
      <Codebook />
      <Losses />
      <QuantizeBlock sources={data.sources} />
    </section>
  );
}

function Codebook() {
  const lab = useLab();
  const run = lab.current.value;
  const place = useWatching<HTMLDivElement>();
  const { format, blockSize, doubleQuant } = run.controls;
  const looked = lookedOf(run, lab.matrix.value);
  const quantized = looked?.quantized;
  const kept = format === "float32" ? looked?.W0 : undefined;
  const preview = useMemo(() => kept && previewOf(kept, blockSize), [kept, blockSize]);
  const drawn = quantized ?? preview;
  const name = quantized ? formatTitles[format] : "NF4";
  return (
    <Picture
      name="codebook"
      title={`The values of ${name} on the weights of one matrix`}
      equation={String.raw`x \approx q_c \cdot \max_{\text{block}} |x|, \qquad c = \arg\min_c \left| q_c - \frac{x}{\max_{\text{block}} |x|} \right|`}
      lines={["nf4", "blocks"]}
      caption={
        quantized
          ? `Each weight is divided by the largest of its block of ${blockSize}${doubleQuant ? " (these constants are quantized as well)" : ""}, and becomes the nearest of ${quantized.values.length} values. The bars at −1 and 1 are the largest weights of the blocks.`
          : `The base is in float32 now, where every weight stays as it is. This is what NF4 would do: each weight is divided by the largest of its block of ${blockSize}, and becomes the nearest of 16 values.`
      }
    >
      <div ref={place}>
        <MatrixChoice />
      </div>
      {drawn && (
        <Plotted
          label={`${drawn.values.length} values of ${name} on the histogram of the matrix`}
          draw={(width) => codebookChart(drawn.values, drawn.histogram, width)}
        />
      )}
    </Picture>
  );
}

/** NF4 on a matrix that is kept in float32. */
function previewOf({ values }: Grid, blockSize: number) {
  const { scaled } = quantizeWith(values, "nf4", { blockSize, doubleQuant: false });
  return { values: Float32Array.from(valuesOf("nf4")), histogram: Float32Array.from(histogram(scaled, 100)) };
}

function Losses() {
  const lab = useLab();
  const run = lab.current.value;
  const { format, target } = run.controls;
  const exact =
    lab.started.value?.losses[target] ?? (format === "float32" ? run.opened.before.learned : undefined);
  const now = lastMeasured(run);
  const again = run.merged.value?.requantized;
  return (
    <Picture
      name="quantized-loss"
      title="What rounding does to the loss, and what adapting makes up for"
      caption={
        format === "float32"
          ? "In float32 nothing is rounded. With a base in four bits, merging must round W₀ + ΔW to four bits again; where ΔW is smaller than the steps between two values, it disappears."
          : again
            ? `The rounding moves the weights ${number(100 * again.erased)} % as far as ΔW had moved them, and gives ${number(100 * again.unchanged)} % of them their old code back. The loss of the adapted model was ${nats(again.exact)}; rounded again it is ${nats(again.loss)}.`
            : "Merge, to see how much of ΔW the rounding erases."
      }
      equation={String.raw`\text{erased} = \frac{\lVert Q(W_0 + \Delta W) - (W_0 + \Delta W) \rVert}{\lVert \Delta W \rVert}`}
    >
      {format !== "float32" && (
        <p class="buttons">
          <button
            type="button"
            data-part="merge-4-button"
            disabled={(isAlive(run) && run.merged.value?.isMerged) || lab.busy.value !== null}
            onClick={() => void lab.merge()}
          >
            Merge into {formatTitles[format]}
          </button>
        </p>
      )}
      <dl class="figures">
        <Figure
          name="Base in float32"
          value={exact === undefined ? "–" : nats(exact)}
          note="loss on the target"
        />
        {format !== "float32" && (
          <Figure
            name={`${run.controls.method === "loftq" ? "LoftQ's start" : "Base"} in ${formatTitles[format]}`}
            value={nats(run.opened.before.learned)}
            note="before training"
          />
        )}
        <Figure name="Adapted" value={nats(now.learned)} note={`after step ${now.step}`} />
        {format !== "float32" && (
          <Figure
            name="Merged and rounded again"
            value={again ? nats(again.loss) : "–"}
            note={again && `error ${number(100 * again.erased)} % of ‖ΔW‖`}
          />
        )}
      </dl>
    </Picture>
  );
}
