import { runSettings } from "../lora/cli/train/run/settings.ts";
import { prepareRun, runTraining } from "../lora/cli/train/run/training.ts";
const [text, method, ...lrs] = process.argv.slice(2);
for (const lr of lrs) {
  const s = runSettings({ base: "/work/shared/models/stories260K", text: [text], method, lr: Number(lr), steps: 60, batchSize: 4, validation: 0.1, sampleTokens: 0, evaluateEvery: 60 });
  const run = await prepareRun(s, process.stdin);
  const r = await runTraining(run, {});
  console.log(text, method, lr, r.beforeAndAfter.before.toFixed(3), "->", r.beforeAndAfter.after.toFixed(3), "train end", (r.losses.slice(-5).reduce((a,b)=>a+b)/5).toFixed(3), r.seconds.toFixed(0)+"s");
}
