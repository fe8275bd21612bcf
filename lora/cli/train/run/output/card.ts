/** @file The model card of an adapter, README.md: what it is, how to use it, how it was trained, what came out. */

import { type RunSettings, runOptions } from "../settings.ts";
import type { RunReport } from "./report.ts";

/** What the card says beyond the numbers. */
interface CardOptions {
  readonly title: string;
  /** The model that it is for. */
  readonly base: string;
  /** The files that it learned from. */
  readonly files: readonly string[];
}

/** The card, in Markdown with the front matter of Hugging Face's model cards. */
export function cardOf(report: RunReport, { title, base, files }: CardOptions): string {
  const { settings, adapter, parameters, loss, sample, data, steps } = report;
  const isName = /^[\w.-]+(\/[\w.-]+)?$/.test(base);
  const lines = [
    "---",
    ...(isName ? [`base_model: ${base}`] : []),
    "library_name: peft",
    "pipeline_tag: text-generation",
    "tags:",
    `- ${settings.method}`,
    "- lowrank",
    "---",
    "",
    `# ${title}`,
    "",
    `An adapter for \`${base}\`, trained with lowrank and written in PEFT's format: ${adapter.layers} layers, ` +
      `${parameters.trainable.toLocaleString("en-US")} trained parameters (${parameters.percent.toFixed(2)} % of the model).`,
    "",
    "## Use",
    "",
    "```sh",
    `npx lowrank generate --base ${quoted(base)} --adapter . --prompt ${quoted(sample?.prompt ?? "Once")} --max-tokens 100`,
    "```",
    "",
    "```python",
    "from peft import PeftModel",
    "from transformers import AutoModelForCausalLM",
    "",
    `base = AutoModelForCausalLM.from_pretrained(${JSON.stringify(base)})`,
    'model = PeftModel.from_pretrained(base, ".")',
    "```",
    "",
    "## Results",
    "",
    `Loss in nats per token, of ${loss.of === "validation" ? "text that it was not trained on" : "the text that it was trained on"}:`,
    "",
    "| | before | after |",
    "| --- | ---: | ---: |",
    `| loss | ${loss.before.toFixed(4)} | ${loss.after.toFixed(4)} |`,
    `| perplexity | ${loss.perplexityBefore.toFixed(2)} | ${loss.perplexityAfter.toFixed(2)} |`,
    "",
    "![The loss by step](losses.svg)",
    "",
    ...(sample ? sampleLines(sample) : []),
    "## Training",
    "",
    `Data: ${files.map((file) => `\`${file}\``).join(", ")} (${data.training}${data.validation ? `; validated on ${data.validation}` : ""}). ` +
      `Steps: ${steps.taken}. All numbers are in \`run.json\`, the losses by step in \`losses.jsonl\`.`,
    "",
    "| setting | value |",
    "| --- | --- |",
    ...settingRows(settings).map(([name, value]) => `| ${name} | ${value} |`),
    "",
  ];
  return lines.join("\n");
}

const sampleLines = ({ prompt, before, after }: NonNullable<RunReport["sample"]>): string[] => [
  `What the model writes after ${JSON.stringify(prompt)}, with the same seed:`,
  "",
  "| before | after |",
  "| --- | --- |",
  `| ${cell(before)} | ${cell(after)} |`,
  "",
];

/** A text in a cell of a table. */
const cell = (text: string): string =>
  text
    .trim()
    .replace(
      /[&<>|]/g,
      (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "\\|" })[letter] as string,
    )
    .replace(/\s*\n\s*/g, "<br>");

/** A word of a shell's command line. */
export const quoted = (word: string): string =>
  /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** The settings that were given or have a default. */
function settingRows(settings: RunSettings): [string, string][] {
  const hidden = [
    "base",
    "text",
    "data",
    "prompt",
    "sampleTokens",
    ...(settings.data.length > 0 ? [] : ["lossOn"]),
  ];
  return Object.keys(runOptions).flatMap((name): [string, string][] => {
    const value = settings[name as keyof RunSettings];
    const isSet = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
    return isSet && !hidden.includes(name) ? [[name, cell(String(value))]] : [];
  });
}
