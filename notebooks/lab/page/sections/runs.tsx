/** @file The runs beside each other; what can be taken away from them. */
import { exportRuns, type Finished } from "../../engine/export.ts";
import { snippetOf } from "../../engine/snippet.ts";
import { nats } from "../parts/format.ts";
import { save } from "../parts/save.ts";
import { type Named, useLab } from "../state/lab.ts";
import { methodTitles, settingsOf, shortTargets } from "../state/names.ts";
import { lastMeasured, type Run, stepOf } from "../state/run.ts";

export function Runs() {
  const lab = useLab();
  return (
    <section id="runs">
      <h2>Your runs, to keep</h2>
      <p>
        Every change of a control began a run beside the others. A run can be taken away as JSON, as the
        program that repeats it in Node with the same numbers, and as an adapter in the format of PEFT. The
        page's address holds the controls as they are: copy it to send them to someone.
      </p>
      <div class="scroll" data-part="runs">
        <table class="runs">
          <thead>
            <tr>
              <th>run</th>
              <th>text</th>
              <th align="right">trained</th>
              <th align="right">step</th>
              <th align="right">target</th>
              <th align="right">own text</th>
              <th>take away</th>
            </tr>
          </thead>
          <tbody>
            {lab.named.value.map((named) => (
              <Row key={named.run.number} {...named} />
            ))}
          </tbody>
        </table>
      </div>
      <Program />
      <p class="buttons">
        <button
          type="button"
          class="secondary"
          onClick={() =>
            save("lowrank-runs.json", exportRuns(lab.named.value.map(({ run }) => finished(run))))
          }
        >
          All runs as JSON
        </button>
      </p>
    </section>
  );
}

const finished = ({ opened, steps, measured }: Run): Finished => ({
  opened,
  steps: steps.value,
  measured: measured.value.filter(({ step }) => step > 0),
});

function Row({ run, title, color }: Named) {
  const lab = useLab();
  const { controls, opened } = run;
  const now = lastMeasured(run);
  const isCurrent = lab.current.value === run;
  return (
    <tr aria-current={isCurrent || undefined}>
      <td>
        <button type="button" class="plain" aria-pressed={isCurrent} onClick={() => lab.select(run)}>
          <i style={{ background: color }} />
          {title}
        </button>
        <small>{settingsOf(controls)}</small>
        {run.number > 0 && run.ended.value && <small>{run.ended.value}</small>}
      </td>
      <td>{shortTargets[controls.target]}</td>
      <td align="right">{opened.trainable.toLocaleString("en-US")}</td>
      <td align="right">{stepOf(run)}</td>
      <td align="right">
        {nats(opened.before.learned)} → {nats(now.learned)}
      </td>
      <td align="right">
        {nats(opened.before.own)} → {nats(now.own)}
      </td>
      <td class="short">
        <TakeAway run={run} title={`${methodTitles[controls.method]} ${run.number}`} />
      </td>
    </tr>
  );
}

function TakeAway({ run, title }: { readonly run: Run; readonly title: string }) {
  const lab = useLab();
  const canSave = run.number > 0 && run.ended.value === null && stepOf(run) > 0;
  const adapter = async (): Promise<void> => {
    const files = await lab.adapter(run);
    if (!files) return;
    save("adapter_model.safetensors", files.safetensors);
    save("adapter_config.json", files.config);
  };
  return (
    <>
      <button
        type="button"
        class="plain act"
        aria-label={`Program of ${title}`}
        onClick={() => save("run.ts", snippetOf(run.controls, stepOf(run)))}
      >
        program
      </button>
      {canSave && (
        <button
          type="button"
          class="plain act"
          aria-label={`Adapter of ${title}`}
          onClick={() => void adapter()}
        >
          adapter
        </button>
      )}
      {run.number > 0 && (
        <button
          type="button"
          class="plain act"
          aria-label={`Remove ${title}`}
          onClick={() => {
            lab.remove(run);
            document.querySelector<HTMLElement>("table.runs [aria-current] button")?.focus(); // this one goes with its row
          }}
        >
          remove
        </button>
      )}
    </>
  );
}

/** The program that repeats the current run in Node. */
function Program() {
  const lab = useLab();
  const run = lab.current.value;
  const program = snippetOf(run.controls, Math.max(1, stepOf(run)));
  return (
    <details class="program" data-part="program">
      <summary>The current run as a program for Node</summary>
      <pre class="shiki">
        <code>{program}</code>
      </pre>
      <p class="caption">
        Saved as <code>run.ts</code> in a checkout of the library, <code>npx tsx run.ts</code> takes the same
        steps and ends with the same bytes
        {run.device === "cpu" ? "." : ", on the cpu; a GPU rounds a little differently."}
      </p>
    </details>
  );
}
