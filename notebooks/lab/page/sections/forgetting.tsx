/** @file "What is learned and what is forgotten". */
import { forgettingChart } from "../charts/loss.ts";
import { nats } from "../parts/format.ts";
import { Picture } from "../parts/picture.tsx";
import { Plotted } from "../parts/plotted.tsx";
import { Choose } from "../parts/setting-link.tsx";
import { useLab } from "../state/lab.ts";
import { lastMeasured } from "../state/run.ts";
import { Legend } from "./opening.tsx";

export function Forgetting() {
  const lab = useLab();
  const named = lab.named.value;
  const run = lab.current.value;
  const now = lastMeasured(run);
  const { before } = run.opened;
  for (const one of named) void [one.run.measured.value, one.run.isShown.value];
  const sentence = `After step ${now.step} the loss on the target is ${nats(before.learned - now.learned)} lower than the base's, and the loss on the base's own text ${nats(now.own - before.own)} higher.`;
  return (
    <section id="forgetting">
      <h2>What is learned and what is forgotten</h2>
      <p>
        Adapting has a price: the model gets worse at what it knew. Here that is measured on addresses that it
        has neither trained on before nor trains on now. Each run is a path that begins at the base. Down is
        learning; to the right is forgetting.
      </p>
      <p>
        Let <Choose to={{ method: "full", format: "float32" }}>full fine-tuning</Choose> and{" "}
        <Choose to={{ method: "lora" }}>LoRA</Choose> run one after the other, and compare where the two paths
        go.
      </p>
      <Picture
        name="forgetting"
        title="Learning against forgetting"
        equation={String.raw`\Delta L_{\text{own}} = L_{\text{own}}(W_0 + \Delta W) - L_{\text{own}}(W_0)`}
        lines={["loss"]}
        caption={sentence}
      >
        <Legend />
        <Plotted label={sentence} draw={(width) => forgettingChart(named, width)} />
      </Picture>
    </section>
  );
}
