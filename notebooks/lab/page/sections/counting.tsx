/** @file "Count it for your model": the formula with the numbers filled in, here and on large models. */
import { useMemo, useState } from "preact/hooks";
import { type Counted, countPasted, countPublished, published } from "../../engine/counts.ts";
import { sentenceOf } from "../../engine/refusal.ts";
import type { Controls, MethodName } from "../../engine/types.ts";
import { Picture } from "../parts/picture.tsx";
import { Symbols } from "../parts/symbols.tsx";
import { useLab } from "../state/lab.ts";
import { methodTitles } from "../state/names.ts";

const whole = (value: number): string => value.toLocaleString("en-US");
const names = Object.keys(published) as (keyof typeof published)[];

/** Trained numbers; the methods that are not here have LoRA's. */
const equations: Readonly<Partial<Record<MethodName, string>>> = {
  lora: String.raw`p = \sum_{W} r\,(d_{\text{in}} + d_{\text{out}})`,
  dora: String.raw`p = \sum_{W} r\,(d_{\text{in}} + d_{\text{out}}) + d_{\text{out}}`,
  adalora: String.raw`p = \sum_{W} r_0\,(d_{\text{in}} + d_{\text{out}}) + r_0, \qquad r_0 = \lceil 1.5\, r \rceil`,
  "lora-fa": String.raw`p = \sum_{W} r\, d_{\text{out}}`,
  vera: String.raw`p = \sum_{W} r + d_{\text{out}}`,
  bitfit: String.raw`p = \sum_{W} d_{\text{out}}`,
  full: "p = n",
};

interface Row {
  readonly title: string;
  readonly counted: Pick<Counted, "trainable" | "total"> & { readonly filled: string };
}

export function Counting() {
  const lab = useLab();
  const { opened, controls } = lab.current.value;
  const [pasted, setPasted] = useState("");
  const own = useMemo(() => (pasted.trim() ? tryPasted(pasted, controls) : null), [pasted, controls]);
  const rows: Row[] = useMemo(
    () => [
      { title: "this page's", counted: { ...opened, filled: "" } },
      ...names.map((name) => ({ title: published[name], counted: countPublished(name, controls) })),
    ],
    [opened, controls],
  );
  const shown = own && typeof own !== "string" ? [...rows, { title: "yours", counted: own }] : rows;
  return (
    <section id="counting">
      <h2>Count it for your model</h2>
      <p>
        How many numbers a method trains follows from the shapes of the matrices alone. For{" "}
        {methodTitles[controls.method]} on the model of this page:
      </p>
      <p class="formula" data-part="formula">
        <Symbols>{opened.formula}</Symbols>
      </p>
      <Picture
        name="counts"
        title="The same method, rank and matrices on large models"
        equation={equations[controls.method] ?? equations.lora}
        lines={["count"]}
        caption="Counted from each model's configuration, without making it. Paste the config.json of another, from the files of its model page."
      >
        <div class="scroll">
          <table class="counts">
            <thead>
              <tr>
                <th>model</th>
                <th align="right">trained</th>
                <th align="right">of all</th>
                <th align="right">fewer by</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((row) => (
                <CountRow key={row.title} {...row} />
              ))}
            </tbody>
          </table>
        </div>
        <label class="field">
          <span>Your model's config.json</span>
          <textarea
            name="config"
            rows={3}
            spellcheck={false}
            placeholder='{"model_type": "llama", "hidden_size": 4096, …}'
            value={pasted}
            aria-invalid={typeof own === "string" || undefined}
            onInput={(event) => setPasted(event.currentTarget.value)}
          />
        </label>
        {typeof own === "string" && (
          <p class="said refused" role="alert">
            {own}
          </p>
        )}
      </Picture>
    </section>
  );
}

/** The count, or the sentence that says what is wrong with the text. */
function tryPasted(text: string, controls: Controls): Counted | string {
  try {
    return countPasted(text, controls);
  } catch (error) {
    return sentenceOf(error);
  }
}

function CountRow({ title, counted: { trainable, total, filled } }: Row) {
  const share = (100 * trainable) / total;
  return (
    <>
      <tr>
        <td>{title}</td>
        <td align="right">{whole(trainable)}</td>
        <td align="right">
          {share < 0.1 ? share.toFixed(4) : share < 10 ? share.toFixed(2) : share.toFixed(0)} %
        </td>
        <td align="right">{whole(Math.round(total / trainable))} ×</td>
      </tr>
      {filled && (
        <tr class="filled">
          <td colSpan={4}>{filled}</td>
        </tr>
      )}
    </>
  );
}
