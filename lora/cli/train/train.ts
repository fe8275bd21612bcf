/** @file `lowrank train`: trains an adapter on a text or on examples, and writes it in PEFT's format. */

import { join, normalize } from "node:path";
import { LowrankError } from "../../../core/index.ts";
import { perplexity } from "../../../nn/index.ts";
import { megabytes } from "../base.ts";
import { defineCommand } from "../command.ts";
import { integer, text, toggle } from "../flags.ts";
import type { Progress } from "../terminal/progress.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { checkSettings } from "./run/check.ts";
import { watchInterrupt } from "./run/interrupt.ts";
import { BASE, saveBase } from "./run/loftq.ts";
import { quoted } from "./run/output/card.ts";
import { checkOut, makeOut, removeBegun, writeRun } from "./run/output/out.ts";
import { checkWritable, filesOf, type RunReport, reportOf } from "./run/output/report.ts";
import { describeRun, hasRun, savedSettings, statePath } from "./run/output/resume.ts";
import { type RunSettings, runOptions } from "./run/settings.ts";
import { type PreparedRun, prepareRun, runTraining, type TrainingResult } from "./run/training.ts";

const names = Object.keys(runOptions) as (keyof typeof runOptions)[];

/** The options from one to another, in their order. */
const between = (first: (typeof names)[number], last: (typeof names)[number]): typeof names =>
  names.slice(names.indexOf(first), names.indexOf(last) + 1);

export const command = defineCommand({
  options: {
    ...runOptions,
    out: text("folder", "the folder to write: the adapter, its card, losses", { required: true }),
    overwrite: toggle("replace what an earlier run has left in --out"),
    saveEvery: integer(
      "steps",
      "save the run's state every so many steps, so that --resume can continue it",
      {
        min: 1,
      },
    ),
    resume: toggle("continue the run in --out, bit for bit as if it had not stopped"),
  },
  headings: {
    "Model and data": between("base", "validationData"),
    "The adapter": between("method", "init"),
    "Options of single methods": between("normGradient", "orthogonality"),
    Training: between("steps", "seed"),
    "Memory, and the sample": between("quantize", "sampleTokens"),
    "Output, and runs that stop": ["out", "overwrite", "saveEvery", "resume"],
  },
  examples: [
    "train --base models/gpt2 --text notes.txt --method dora --rank 8 --steps 200 --out my-adapter",
    "train --base models/gpt2 --data chats.jsonl --validation 0.1 --keep-best --out my-adapter",
    "train --base models/gpt2 --text notes.txt --quantize nf4 --save-every 50 --out my-adapter",
    "train --resume --out my-adapter",
  ],
  notes: [
    "In parentheses: what holds where an option is not given.",
    "--out gets adapter_config.json and adapter_model.safetensors in PEFT's format, README.md (the card), run.json (all",
    "numbers, as --json prints them), losses.jsonl, losses.svg, and with --save-every the folder checkpoint.",
    "Ctrl-C ends the run after the step that it is at; exit code 130.",
  ].join("\n"),

  async run({ options, isGiven }, terminal) {
    const { overwrite, resume, saveEvery } = options;
    const out = normalize(options.out); // a/../b is b to the checks, as it is to the disk
    const values = Object.fromEntries(names.map((name) => [name, options[name]]));
    const given = Object.fromEntries(
      names.filter((name) => isGiven(name)).map((name) => [name, options[name]]),
    );
    const settings = resume ? savedSettings(out, given) : (values as RunSettings);
    if (resume && overwrite) throw new LowrankError("--resume, --overwrite: expected one of them; got both");
    checkSettings(settings);
    checkOut(out, settings.base, { overwrite, resume });
    const run = await prepareRun(settings, terminal.io.stdin, terminal.io.env);
    checkWritable(run);
    for (const note of run.data.notes) terminal.note(note);
    const result = await trained(run, { out, resume, every: saveEvery }, terminal);
    if (!result.finished) return interrupted(result, run, out, terminal);
    const report = reportOf(run, result);
    const isLoftq = settings.init === "loftq";
    const files = filesOf(run, result, report, isLoftq ? saveBase(run.adapted, out) : settings.base);
    writeRun(out, files);
    if (isLoftq)
      terminal.note(`the adapter is for ${join(out, BASE)}, the base that LoftQ's initial values ask for`);
    terminal.result({ out, ...report, files: [...files.keys()] }, () =>
      show(report, out, [...files.keys()], terminal),
    );
  },
});

interface Saving {
  readonly out: string;
  readonly resume: boolean;
  readonly every: number | undefined;
}

/** Steps from one saved state to the next in a run that is continued without --save-every. */
const EVERY = 50;

async function trained(
  run: PreparedRun,
  { out, resume, every }: Saving,
  terminal: Terminal,
): Promise<TrainingResult> {
  const { train, validation } = run.data;
  terminal.note(
    `${run.settings.method} on ${train.description}${validation ? `, validated on ${validation.description}` : ""}; ${run.steps} steps`,
  );
  const saves = resume || every !== undefined;
  makeOut(out);
  const interrupt = watchInterrupt(() =>
    terminal.note("stopping after this step; Ctrl-C again stops at once"),
  );
  const bar = oneBar(terminal);
  try {
    if (saves) describeRun(run, out, resume);
    return await runTraining(run, {
      ...(saves && { checkpoint: { path: statePath(out), every: every ?? EVERY } }),
      onMeasure: (when, done, parts) => bar.show(`loss ${when} training`, done, parts, "batches"),
      onStep({ done, loss, evaluation }) {
        const held = evaluation ? `, validation ${evaluation.value.toFixed(3)}` : "";
        bar.show("training", done, run.steps, "steps", `loss ${loss.toFixed(3)}${held}`);
      },
      isCancelled: () => interrupt.happened,
    });
  } finally {
    bar.done();
    interrupt.end();
    removeBegun(out);
  }
}

/** A progress that is shown under one label, then another. */
function oneBar(terminal: Terminal) {
  let [shown, bar] = ["", null as Progress | null];
  return {
    show(label: string, done: number, total: number, unit: string, detail?: string): void {
      if (label !== shown) bar?.done();
      if (label !== shown || bar === null) bar = terminal.progress(label, total, unit);
      shown = label;
      bar.update(done, detail);
    },
    done: () => bar?.done(),
  };
}

/** Says how an interrupted run is continued. @returns the exit code */
function interrupted(
  { taken }: TrainingResult,
  { steps }: PreparedRun,
  out: string,
  terminal: Terminal,
): number {
  const advice = hasRun(out)
    ? `lowrank train --resume --out ${quoted(out)} continues from the last state that was saved`
    : "no state was saved, and nothing is kept: --save-every saves it from time to time";
  terminal.io.stderr.write(`stopped after step ${taken} of ${steps}; ${advice}\n`);
  return 130;
}

function show(report: RunReport, out: string, files: readonly string[], terminal: Terminal): void {
  const { parameters, loss, memory, sample, best, settings } = report;
  const { weights, adapters, gradients, optimizer, activations } = memory.ofWhich;
  const [before, after] = [loss.before, loss.after];
  terminal.table(
    ["", { title: "before", align: "right" }, { title: "after", align: "right" }],
    [
      [`${loss.of} loss`, before.toFixed(4), after.toFixed(4)],
      ["perplexity", perplexity(before).toFixed(2), perplexity(after).toFixed(2)],
    ],
  );
  const rows: [string, string][] = [
    [
      "trained",
      `${count(parameters.trainable)} of ${count(parameters.total)} parameters, ${parameters.percent.toFixed(2)} %, in ${report.adapter.layers} layers`,
    ],
    [
      "memory",
      `${megabytes(memory.peakBytes)} at the peak: weights ${megabytes(weights)}, adapters ${megabytes(adapters)}, gradients ${megabytes(gradients)}, optimizer ${megabytes(optimizer)}, activations ${megabytes(activations)}`,
    ],
  ];
  if (report.tokensPerSecond > 0)
    rows.push([
      "speed",
      `${count(Math.round(report.tokensPerSecond))} tokens per second, ${report.seconds.toFixed(1)} s`,
    ]);
  if (best)
    rows.push([
      "best",
      `loss ${best.loss.toFixed(4)} after step ${best.step}${settings.keepBest ? ", kept" : ""}`,
    ]);
  terminal.table(["", ""], rows);
  if (sample) {
    terminal.print(`\nprompt: ${sample.prompt}\n`);
    terminal.print(`before:${gap(sample.before)}\n`);
    terminal.print(`after:${gap(sample.after)}`);
  }
  terminal.print(`\nwritten: ${files.map((name) => join(out, name)).join("\n         ")}`);
}

const count = (n: number): string => n.toLocaleString("en-US");

const gap = (text: string): string => (/^\s/.test(text) ? text : ` ${text}`);
