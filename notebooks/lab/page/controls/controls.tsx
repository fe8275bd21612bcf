/** @file The controls of a run. A change opens a new run beside the others. */

import { LONGEST_IN_ADDRESS } from "../../engine/address.ts";
import { useLab } from "../state/lab.ts";
import {
  deviceTitles,
  formatTitles,
  hasAlpha,
  hasRank,
  methodSentences,
  methodTitles,
  placeTitles,
  targetTitles,
} from "../state/names.ts";
import { Choice, NumberField, YesNo } from "./fields.tsx";

const ranks = [1, 2, 4, 8, 16, 32, 64, 128];
const rates = [1, 2, 5].flatMap((digit) => [-5, -4, -3, -2].map((power) => Number(`${digit}e${power}`)));
rates.sort((a, b) => a - b);

export function ControlPanel() {
  const lab = useLab();
  const { set } = lab;
  const now = lab.controls.value;
  return (
    <form class="controls" aria-label="Controls of the run" onSubmit={(event) => event.preventDefault()}>
      <Choice
        part="target"
        label="Adapt to"
        value={now.target}
        titles={targetTitles}
        onChange={(target) => set({ target })}
      />
      {now.target === "own" && (
        <div class="field">
          <label for="own-text">Your text</label>
          <textarea
            id="own-text"
            name="text"
            aria-invalid={lab.message.value?.about === "text" || undefined}
            rows={4}
            placeholder="Paste some thousand characters"
            value={now.text}
            onChange={(event) => set({ text: event.currentTarget.value })}
          />
          {now.text.length > LONGEST_IN_ADDRESS && (
            <p class="hint">
              A text as long as this is not part of the page's address: a link leaves it out.
            </p>
          )}
        </div>
      )}
      <Choice
        part="method"
        label="Method"
        value={now.method}
        titles={methodTitles}
        onChange={(method) => set({ method })}
      />
      <p class="hint">{methodSentences[now.method]}</p>
      {hasRank(now.method) && (
        <NumberField
          part="rank"
          label={
            <>
              Rank <i>r</i>
            </>
          }
          value={now.rank}
          stops={ranks}
          onChange={(rank) => set({ rank })}
        />
      )}
      {hasAlpha(now.method) && (
        <NumberField
          part="alpha"
          label={
            <>
              Scale <i>α</i>
            </>
          }
          value={now.alpha}
          stops={ranks}
          onChange={(alpha) => set({ alpha })}
        />
      )}
      {now.method !== "full" && (
        <Choice
          part="place"
          label="Matrices"
          value={now.place}
          titles={placeTitles}
          onChange={(place) => set({ place })}
        />
      )}
      <NumberField
        part="rate"
        label={
          now.method === "lora+" ? (
            <>
              Rate of A, <i>η</i>
              <sub>A</sub>
            </>
          ) : (
            <>
              Rate <i>η</i>
            </>
          )
        }
        value={now.rate}
        stops={rates}
        onChange={(rate) => set({ rate })}
      />
      {now.method === "lora+" && (
        <NumberField
          part="ratio"
          label={
            <>
              <i>η</i>
              <sub>B</sub>/<i>η</i>
              <sub>A</sub>
            </>
          }
          value={now.ratio}
          stops={[1, 2, 4, 8, 16, 32]}
          onChange={(ratio) => set({ ratio })}
        />
      )}
      <Choice
        part="format"
        label="Base stored as"
        value={now.format}
        titles={formatTitles}
        onChange={(format) => set({ format })}
      />
      {now.format !== "float32" && (
        <>
          <NumberField
            part="block"
            label="Block size"
            value={now.blockSize}
            stops={[32, 64, 128, 256, 512, 1024]}
            onChange={(blockSize) => set({ blockSize })}
          />
          <YesNo
            part="double"
            label="Double quantization"
            value={now.doubleQuant}
            onChange={(doubleQuant) => set({ doubleQuant })}
          />
        </>
      )}
      <details class="further">
        <summary>Steps, seed, device</summary>
        <NumberField
          part="steps"
          label="Steps"
          value={now.steps}
          stops={[20, 50, 100, 200, 500]}
          onChange={(steps) => set({ steps })}
        />
        <NumberField part="seed" label="Seed" value={now.seed} onChange={(seed) => set({ seed })} />
        <Choice
          part="device"
          label="Device"
          value={lab.device.value}
          titles={deviceTitles}
          onChange={lab.setDevice}
        />
      </details>
    </form>
  );
}
