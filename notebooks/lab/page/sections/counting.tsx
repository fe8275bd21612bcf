/** @file "Count it for your model": the formula with the numbers filled in, here and on large models. */

import { useMemo, useState } from "preact/hooks";
import { Picture } from "../parts/picture.tsx";
import { type Counted, countOn, type PublishedName, published } from "../state/count.ts";
import { useLab } from "../state/lab.ts";
import { methodTitles } from "../state/names.ts";

const whole = (value: number): string => value.toLocaleString("en-US");

export function Counting() {
  const lab = useLab();
  const { opened, controls } = lab.current.value;
  const [pasted, setPasted] = useState("");
  const own = useMemo(() => (pasted.trim() ? countOn(pasted, controls) : null), [pasted, controls]);
  const large = useMemo(
    () =>
      (Object.keys(published) as PublishedName[]).map(
        (name) => [published[name], countOn(name, controls)] as const,
      ),
    [controls],
  );
  return (
    <section id="counting">
      <h2>Count it for your model</h2>
      <p>
        How many numbers a method trains follows from the shapes of the matrices alone. For{" "}
        {methodTitles[controls.method]} on the model of this page that is
      </p>
      <p class="formula" data-part="formula">
        {opened.formula}
      </p>
      <Picture
        name="counts"
        title={`The same method and rank on large models`}
        equation={String.raw`p = \sum_{W} r\,(d_{\text{in}} + d_{\text{out}})`}
        lines={["count"]}
        caption="Counted from each model's published configuration, without making it. Paste the config.json of another, from the files of its model page."
      >
        <div class="scroll">
          <table class="counts">
            <thead>
              <tr>
                <th>model</th>
                <th align="right">trained</th>
                <th align="right">of all</th>
                <th align="right">smaller by</th>
              </tr>
            </thead>
            <tbody>
              <CountRow title="this page's" counted={{ trainable: opened.trainable, total: opened.total }} />
              {large.map(([title, counted]) => (
                <CountRow key={title} title={title} counted={counted} />
              ))}
              {own && <CountRow title="yours" counted={own} />}
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
            onInput={(event) => setPasted(event.currentTarget.value)}
          />
        </label>
      </Picture>
    </section>
  );
}

function CountRow({ title, counted }: { readonly title: string; readonly counted: Counted }) {
  if ("refused" in counted)
    return (
      <tr>
        <td>{title}</td>
        <td colSpan={3} class="refused">
          {counted.refused}
        </td>
      </tr>
    );
  const { trainable, total } = counted;
  const share = (100 * trainable) / total;
  return (
    <tr>
      <td>{title}</td>
      <td align="right">{whole(trainable)}</td>
      <td align="right">
        {share < 0.01 ? share.toFixed(4) : share < 10 ? share.toFixed(2) : share.toFixed(0)} %
      </td>
      <td align="right">{whole(Math.round(total / trainable))} ×</td>
    </tr>
  );
}
