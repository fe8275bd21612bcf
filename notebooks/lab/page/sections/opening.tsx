/** @file The opening: what can be done here in one sentence of links, the loss, and the two texts. */
import { lossChart } from "../charts/loss.ts";
import { nats } from "../parts/format.ts";
import { Picture } from "../parts/picture.tsx";
import { Plotted } from "../parts/plotted.tsx";
import { Choose } from "../parts/setting-link.tsx";
import { useLab } from "../state/lab.ts";
import { lastMeasured, stepOf } from "../state/run.ts";
import { TwoTexts } from "./two-texts.tsx";

export function Opening({ onTour }: { readonly onTour: () => void }) {
  const lab = useLab();
  const { method } = lab.controls.value;
  return (
    <section id="adapt">
      <p class="sentence">
        Adapt the model to <Choose to={{ target: "speeches" }}>speeches it has not read</Choose>, to{" "}
        <Choose to={{ target: "moby-dick" }}>Moby-Dick</Choose>, to{" "}
        <Choose to={{ target: "code" }}>declarations of TypeScript</Choose> or to{" "}
        <Choose to={{ target: "own" }}>a text of your own</Choose>; with{" "}
        <Choose to={{ method: "lora" }}>LoRA</Choose> of rank <Choose to={{ rank: 1 }}>1</Choose>,{" "}
        <Choose to={{ rank: 4 }}>4</Choose> or <Choose to={{ rank: 64 }}>64</Choose>, with{" "}
        <Choose to={{ method: "dora" }}>DoRA</Choose> or <Choose to={{ method: "adalora" }}>AdaLoRA</Choose>,
        or by <Choose to={{ method: "full", format: "float32" }}>training every weight</Choose>; on a base in{" "}
        <Choose to={{ format: "float32" }}>32 bits</Choose> or in{" "}
        <Choose to={{ format: "nf4", method: method === "full" ? "lora" : method }}>4</Choose>. Then{" "}
        <button type="button" class="in-text" onClick={lab.play}>
          start
        </button>
        , or{" "}
        <button type="button" class="in-text" onClick={onTour}>
          take the tour
        </button>
        .
      </p>
      <p>
        LoRA adapts a model without touching its weights: beside a weight matrix W₀ it trains two thin ones, A
        and B, and adds their product. This page shows what that does, and why it works.
      </p>
      <p>
        The model has 1.04 million parameters and has read the addresses of American presidents to Congress.
        It is in this page, and so is the library that trains it, unchanged:{" "}
        <code>import {"{ inject }"} from "lowrank/lora"</code>. Nothing is sent anywhere. What is drawn at
        first is a run that was recorded; Start trains the same one here, and gives the same numbers to the
        last bit.
      </p>
      <Loss />
      <TwoTexts />
    </section>
  );
}

function Loss() {
  const lab = useLab();
  const named = lab.named.value;
  const run = lab.current.value;
  const now = lastMeasured(run);
  const before = run.opened.before;
  // Read here, so that the plot follows them.
  for (const one of named) void [one.run.steps.value, one.run.measured.value, one.run.isShown.value];
  const sentence = `Held-out loss on the target: ${nats(before.learned)} nats per token before the first step, ${nats(now.learned)} after step ${now.step}.`;
  return (
    <Picture
      name="loss"
      title="What the model learns"
      equation={String.raw`L = -\frac{1}{T} \sum_{t=1}^{T} \ln p(x_t \mid x_{<t})`}
      lines={["loss"]}
      caption={
        <>
          {sentence} Thin: the batch of each step. Thick: text that is never trained on.{" "}
          {stepOf(run) === 0 && "No step has been made yet."}
        </>
      }
    >
      <Legend />
      <Plotted label={sentence} draw={(width) => lossChart(named, width)} />
    </Picture>
  );
}

/** The runs by colour; a click hides one. */
export function Legend() {
  const { named } = useLab();
  return (
    <ul class="legend">
      {named.value.map(({ run, title, color }) => (
        <li key={run.number}>
          <button
            type="button"
            class="plain"
            aria-pressed={run.isShown.value}
            title={run.isShown.value ? "Hide this run" : "Show this run"}
            onClick={() => {
              run.isShown.value = !run.isShown.value;
            }}
          >
            <i style={{ background: color }} />
            {title}
          </button>
        </li>
      ))}
    </ul>
  );
}
