/** @file Start, one step, reset, speed; and where the run is. */
import type { ComponentChildren } from "preact";
import { nats } from "../parts/format.ts";
import { speeds } from "../state/address.ts";
import { useLab } from "../state/lab.ts";
import { lastMeasured, stepOf } from "../state/run.ts";

/** `children`: what stands beside its buttons. */
export function Transport({ children }: { readonly children?: ComponentChildren }) {
  const lab = useLab();
  const run = lab.current.value;
  const { isRunning, busy } = lab;
  const step = stepOf(run);
  const answering = lab.started.value?.device;
  return (
    <section class="transport" aria-label="Training">
      <div class="buttons">
        <button
          type="button"
          data-part="start"
          class={isRunning.value ? "secondary" : undefined}
          onClick={() => (isRunning.value ? lab.pause() : lab.play())}
        >
          {isRunning.value ? "Pause" : "Start"}
        </button>
        <button type="button" data-part="step" class="secondary" onClick={() => void lab.step()}>
          Step
        </button>
        <button type="button" data-part="reset" class="secondary outline" onClick={lab.reset}>
          Reset
        </button>
        {children}
      </div>
      <progress value={step} max={run.controls.steps} aria-label={`Step ${step} of ${run.controls.steps}`} />
      <p class="where">
        <span>
          {run.number === 0 ? "Recorded: step" : "Step"} {step} of {run.controls.steps}
        </span>
        <span>
          loss {nats(run.steps.value.at(-1)?.loss ?? lastMeasured(run).learned)}
          {run.number > 0 && step > 0 && `, ${Math.round(run.steps.value.at(-1)?.milliseconds ?? 0)} ms`}
        </span>
      </p>
      <label class="speed">
        <span>Speed</span>
        <select
          name="speed"
          value={String(lab.rest.value)}
          onChange={(event) => {
            lab.rest.value = Number(event.currentTarget.value);
          }}
        >
          {Object.entries(speeds).map(([name, rest]) => (
            <option key={name} value={String(rest)}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <p class={busy.value ? "status busy" : "status"} role="status">
        {busy.value ?? (answering && `Computed by ${answering}.`)}
      </p>
    </section>
  );
}

/** What the engine refused, or has to say. */
export function Said() {
  const { message } = useLab();
  const said = message.value;
  return (
    <p class={said?.kind === "refused" ? "said refused" : "said"} role="alert" hidden={!said}>
      {said?.text}
    </p>
  );
}
