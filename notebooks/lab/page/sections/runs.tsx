/** @file The runs beside each other; what can be taken away from them. */
import { nats, number } from "../parts/format.ts";
import { save } from "../parts/save.ts";
import { type Named, useLab } from "../state/lab.ts";
import { formatTitles, methodTitles, placeTitles, targetTitles } from "../state/names.ts";
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
              <th>matrices</th>
              <th>base</th>
              <th align="right">η</th>
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
      <p class="buttons">
        <button
          type="button"
          class="secondary"
          onClick={() => save("lowrank-runs.json", JSON.stringify(lab.named.value.map(plain), null, 1))}
        >
          All runs as JSON
        </button>
      </p>
    </section>
  );
}

/** A run as it is exported. */
const plain = ({ run, title }: Named) => ({
  title,
  controls: run.controls,
  device: run.opened.device,
  trainable: run.opened.trainable,
  total: run.opened.total,
  steps: run.steps.value,
  measured: run.measured.value,
  merged: run.merged.value,
  ended: run.number === 0 ? null : run.ended.value,
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
          {run.number === 0 && " (recorded)"}
        </button>
        {run.number > 0 && run.ended.value && <small class="refused">{run.ended.value}</small>}
      </td>
      <td>{targetTitles[controls.target]}</td>
      <td>{controls.method === "full" ? "all" : placeTitles[controls.place]}</td>
      <td>{formatTitles[controls.format]}</td>
      <td align="right">{number(controls.rate)}</td>
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
  const adapter = async (): Promise<void> => {
    const files = await lab.adapter(run);
    if (!files) return;
    save("adapter_model.safetensors", files.safetensors);
    save("adapter_config.json", files.config);
  };
  return (
    <>
      {run.number > 0 && (
        <>
          {run.ended.value === null && run.opened.controls.method !== "full" && (
            <button
              type="button"
              class="plain"
              onClick={() => void adapter()}
              aria-label={`Adapter of ${title}`}
            >
              adapter
            </button>
          )}{" "}
          <button type="button" class="plain" onClick={() => lab.remove(run)} aria-label={`Remove ${title}`}>
            remove
          </button>
        </>
      )}
    </>
  );
}
