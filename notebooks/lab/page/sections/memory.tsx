/** @file "Where memory goes": bytes of a step by category, measured beside the formula. */
import { useState } from "preact/hooks";
import type { Controls } from "../../engine/types.ts";
import { type BytesRow, bytesChart, categoryColors } from "../charts/bytes.ts";
import { bytes } from "../parts/format.ts";
import { Picture } from "../parts/picture.tsx";
import { Plotted } from "../parts/plotted.tsx";
import { Choose } from "../parts/setting-link.tsx";
import { type Named, useLab } from "../state/lab.ts";
import { lastMeasured, type Run } from "../state/run.ts";
import { MemoryLedger } from "../toys/index.ts";

const titles: Readonly<Record<string, string>> = {
  weights: "weights, 4 bytes each",
  quantized: "quantized weights",
  adapters: "adapters",
  gradients: "gradients",
  optimizer: "optimizer, AdamW's m and v",
  saved: "saved for the backward pass",
  workspace: "temporary",
};
/** n numbers in float32, q quantized ones in blocks of B, p trained ones. */
function equationOf({ method, format, doubleQuant }: Controls): string {
  const constants = doubleQuant ? String.raw`\tfrac{1}{B} + \tfrac{4}{256 B}` : String.raw`\tfrac{4}{B}`;
  const code = format === "int8" ? "1" : String.raw`\tfrac{1}{2}`;
  const terms = [
    ["4n", "weights"],
    ...(format === "float32" ? [] : [[`(${code} + ${constants})\\,q`, "quantized"]]),
    ...(method === "full" ? [] : [["4p", "adapters"]]),
    ["4p", "gradients"],
    ["8p", "AdamW"],
  ];
  return `${terms.map(([term, name]) => String.raw`\underbrace{${term}}_{\text{${name}}}`).join(" + ")} + \\text{saved}`;
}

const titleOf = (category: string): string => titles[category] ?? category;

export function Memory() {
  const lab = useLab();
  const named = lab.named.value;
  const current = lab.current.value;
  const [ofAll, setAll] = useState(false);
  const shown = ofAll ? named.filter(({ run }) => run.isShown.value) : [];
  const chosen = shown.length > 0 ? shown : named.filter(({ run }) => run === current);
  const rows = chosen.flatMap(rowsOf);
  const categories = [...new Set(rows.filter((row) => row.bytes > 0).map(({ category }) => category))];
  const total = sum(rows.filter(({ which, run }) => which === "measured" && run === chosen.at(-1)?.title));
  const predicted = sum(rows.filter(({ which, run }) => which === "formula" && run === chosen.at(-1)?.title));
  const last = chosen.at(-1)?.run ?? current;
  const caption = isMetered(last)
    ? `At the peak of a step the meter counted ${bytes(total)}; the formula says ${total === predicted ? "the same, to the byte" : bytes(predicted)}.`
    : `The meter is read after the first step; now it knows what is there without a step, ${bytes(total)}. The formula says ${bytes(predicted)} for a step.`;
  const colors = categoryColors(categories);
  return (
    <section id="memory">
      <h2>Where memory goes</h2>
      <p>
        Training needs more than weights: a gradient for each trained number, two more for AdamW, and what the
        forward pass keeps for the backward pass. LoRA shrinks gradients and optimizer, since few numbers are
        trained. <Choose to={{ format: "nf4", method: "lora" }}>Four bits</Choose> shrink the frozen weights.
        What is saved for the backward pass stays, and in a small model it is most of all.
      </p>
      <Picture
        name="bytes"
        title="The bytes of one step"
        equation={equationOf(current.controls)}
        lines={["meter", "bytes"]}
        caption={caption}
      >
        <label class="yes-no">
          <input
            type="checkbox"
            name="all-runs"
            checked={ofAll}
            onChange={(event) => setAll(event.currentTarget.checked)}
          />
          All runs
        </label>
        <p class="keys">
          {categories.map((category, i) => (
            <span key={category}>
              <i style={{ background: colors.range[i] }} /> {titleOf(category)}
            </span>
          ))}
        </p>
        <Plotted label={caption} draw={(width) => bytesChart(rows, categories, width)} />
        <BytesTable rows={rows.filter(({ run }) => run === chosen.at(-1)?.title)} categories={categories} />
      </Picture>
      <MemoryLedger sources={lab.data.sources} />
    </section>
  );
}

/** Whether a step of the run was measured. */
const isMetered = (run: Run): boolean => lastMeasured(run).step > 0;

const sum = (rows: readonly BytesRow[]): number => rows.reduce((all, row) => all + row.bytes, 0);

function rowsOf({ run, title }: Named): BytesRow[] {
  const { measured, predicted } = lastMeasured(run).bytes;
  return (
    [
      ["measured", measured],
      ["formula", predicted],
    ] as const
  ).flatMap(([which, parts]) =>
    Object.entries(parts).map(([category, value]) => ({ run: title, which, category, bytes: value })),
  );
}

function BytesTable({
  rows,
  categories,
}: {
  readonly rows: readonly BytesRow[];
  readonly categories: readonly string[];
}) {
  const at = (category: string, which: BytesRow["which"]): number =>
    rows.find((row) => row.category === category && row.which === which)?.bytes ?? 0;
  return (
    <details>
      <summary>In numbers</summary>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>part</th>
              <th align="right">measured</th>
              <th align="right">formula</th>
            </tr>
          </thead>
          <tbody>
            {categories.map((category) => (
              <tr key={category}>
                <td>{titleOf(category)}</td>
                <td align="right">{at(category, "measured").toLocaleString("en-US")}</td>
                <td align="right">{at(category, "formula").toLocaleString("en-US")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
