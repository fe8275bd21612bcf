/**
 * @file The command line, `npx lowrank <command>`: the list of commands, and how what was typed becomes a call of one.
 *
 * Only the file of the command that runs is loaded. Commander parses, and prints the help; flags.ts gives the values types.
 */

import { createRequire } from "node:module";
import { Command as Commander, CommanderError, Option } from "commander";
import { type DeviceName, LowrankError, setDevice, setWarnings } from "../../core/index.ts";
import type { Command } from "./command.ts";
import { type Flag, type Flags, text, toggle } from "./flags.ts";
import { type IO, openTerminal } from "./terminal/terminal.ts";

interface Entry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

/** All commands, by what they are for. */
const groups: Readonly<Record<string, readonly Entry[]>> = {
  "Train and use a model": [
    {
      name: "train",
      summary: "Train an adapter on a text or on examples.",
      load: () => import("./train/train.ts"),
    },
    {
      name: "generate",
      summary: "Continue a text, or answer in a chat, with a base and any number of adapters.",
      load: () => import("./use/generate.ts"),
    },
    {
      name: "eval",
      summary: "Measure the perplexity of a text, of the base and with adapters.",
      load: () => import("./use/eval.ts"),
    },
  ],
  "Work on adapters and checkpoints": [
    {
      name: "merge",
      summary: "Merge adapters into a base model, as a new model that needs no adapter.",
      load: () => import("./adapters/merge.ts"),
    },
    {
      name: "combine",
      summary: "Make one adapter of several, with weights.",
      load: () => import("./adapters/combine.ts"),
    },
    {
      name: "convert",
      summary: "Write an adapter of any method as LoRA, also of another rank.",
      load: () => import("./adapters/convert.ts"),
    },
    {
      name: "diff",
      summary: "Compare two adapters by their updates ΔW.",
      load: () => import("./adapters/diff.ts"),
    },
    {
      name: "quantize",
      summary: "Write a base model with its linear layers in 4 or 8 bits.",
      load: () => import("./adapters/quantize.ts"),
    },
  ],
  "Look at files": [
    {
      name: "inspect",
      summary: "Show what a checkpoint or an adapter holds: tensors, ranks, norms, singular values.",
      load: () => import("./look/inspect.ts"),
    },
    {
      name: "verify",
      summary: "Check a checkpoint or an adapter: structure, NaN, and whether it fits a base.",
      load: () => import("./look/verify.ts"),
    },
    {
      name: "count",
      summary: "Count the parameters that methods train, on published configurations or a config.json.",
      load: () => import("./look/count.ts"),
    },
  ],
  "Here and elsewhere": [
    {
      name: "sweep",
      summary: "Run a grid of trainings, here or as an array of jobs on a cluster.",
      load: () => import("./train/sweep.ts"),
    },
    {
      name: "collect",
      summary: "Show what a sweep found: a table over seeds, and plots.",
      load: () => import("./train/collect.ts"),
    },
    {
      name: "handoff",
      summary: "Write a folder in which a run continues in PEFT, with accelerate and FSDP.",
      load: () => import("./train/handoff.ts"),
    },
    {
      name: "download",
      summary: "Bring a model or an adapter from the Hugging Face Hub to this machine.",
      load: () => import("./use/download.ts"),
    },
    {
      name: "devices",
      summary: "List the devices, and whether they work here.",
      load: () => import("./use/devices.ts"),
    },
  ],
};

/** Options that every command has. */
const common = {
  device: text("name", "where to compute (lowrank devices lists them)"),
  json: toggle("print the result as one JSON document"),
  quiet: toggle("no notes and no progress"),
} satisfies Flags;

const process_: IO = process;

/**
 * Runs the command line.
 *
 * @param argv what was typed after `lowrank`
 * @param io the streams to use. @default those of the process
 * @returns the exit code: 0 done, 1 refused or failed, with one line on standard error that says why
 */
export async function runCommand(argv: readonly string[], io: IO = process_): Promise<number> {
  const entries = Object.values(groups).flat();
  const wanted = argv.find((word) => !word.startsWith("-"));
  let code = 0;
  try {
    const program = root(io);
    for (const [group, members] of Object.entries(groups)) {
      if (members.length > 0) program.commandsGroup(`${group}:`);
      for (const { name, summary, load } of members) {
        const sub = program.command(name).summary(summary).description(summary);
        if (name === wanted)
          describe(sub, await load().then(({ command }) => command), io, (c) => (code = c));
      }
    }
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    const name = entries.some((entry) => entry.name === wanted) ? `lowrank ${wanted}` : "lowrank";
    io.stderr.write(`${name}: ${explain(error, io)}\n`);
    return 1;
  }
}

function root(io: IO): Commander {
  return new Commander("lowrank")
    .description("Adapts language models with LoRA and its family, and works on what comes out.")
    .usage("<command> [options]")
    .version(createRequire(import.meta.url)("lowrank/package.json").version, "--version")
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ helpWidth: Math.min(io.stdout.columns ?? 100, 120) })
    .configureOutput({
      writeOut: (line) => void io.stdout.write(line),
      writeErr: (line) => void io.stderr.write(line),
      outputError: (line, write) => write(line.replace(/^error: /, "lowrank: ")),
      getOutHelpWidth: () => Math.min(io.stdout.columns ?? 100, 120),
    })
    .addHelpText("after", "\nlowrank <command> --help tells a command's options, with an example.");
}

/** Gives Commander the arguments and options of a command, and what to do. */
function describe(sub: Commander, command: Command, io: IO, exit: (code: number) => void): void {
  for (const { name, summary } of command.arguments ?? []) sub.argument(name, summary);
  const flags: Flags = { ...command.options, ...common };
  const headings = new Map(
    Object.entries(command.headings ?? {}).flatMap(([heading, names]) =>
      names.map((name) => [name, heading]),
    ),
  );
  for (const [name, flag] of Object.entries(flags)) {
    const [option, heading] = [optionOf(name, flag), headings.get(name)];
    sub.addOption(heading === undefined ? option : option.helpGroup(`${heading}:`));
  }
  if (command.notes) sub.addHelpText("after", `\n${command.notes}`);
  const label = command.examples.length === 1 ? "Example" : "Examples";
  sub.addHelpText(
    "after",
    `\n${label}:\n${command.examples.map((line) => `  $ lowrank ${line}`).join("\n")}`,
  );
  sub.action(async () => {
    const unnamed = Object.entries(flags).filter(([, flag]) => isSelfEvident(flag));
    const absent = Object.fromEntries(unnamed.map(([name, flag]) => [name, flag.default]));
    const options = { ...absent, ...sub.opts<Record<string, unknown>>() };
    const terminal = openTerminal(io, { json: options.json as boolean, quiet: options.quiet as boolean });
    const warnings = setWarnings((message) => terminal.note(message));
    try {
      if (options.device !== undefined) setDevice(options.device as DeviceName);
      const isGiven = (name: string): boolean => sub.getOptionValueSource(name) === "cli";
      const code = await command.run({ args: sub.args, options, isGiven }, terminal);
      exit(typeof code === "number" ? code : 0);
    } finally {
      setWarnings(warnings);
    }
  });
}

/** True for a default that the help does not name: a switch is off, a list is empty. */
const isSelfEvident = (flag: Flag): boolean => flag.placeholder === null || flag.repeated;

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function optionOf(name: string, flag: Flag): Option {
  const spelled = `--${kebab(name)}`;
  const option = new Option(
    flag.placeholder === null ? spelled : `${spelled} <${flag.placeholder}>`,
    help(flag),
  );
  const parse = (given: string): unknown => {
    if (given === "" && !flag.mayBeEmpty)
      throw new LowrankError(`${spelled}: expected <${flag.placeholder}>; got nothing`);
    return flag.parse(given, spelled);
  };
  if (flag.placeholder !== null)
    option.argParser<unknown>((given, list) =>
      flag.repeated ? [...((list as unknown[] | undefined) ?? []), parse(given)] : parse(given),
    );
  if (flag.default !== undefined && !isSelfEvident(flag)) option.default(flag.default);
  return option.makeOptionMandatory(flag.required);
}

const help = ({ summary, choices, repeated }: Flag): string =>
  `${summary}${choices ? `: ${choices.join(", ")}` : ""}${repeated ? " (may be repeated)" : ""}`;

/** One line for a mistake of the user's or of the disk; more only for a fault of ours, which has no other name. */
function explain(error: unknown, { env }: IO): string {
  if (!(error instanceof Error)) return String(error);
  const isExpected =
    error instanceof LowrankError || typeof (error as NodeJS.ErrnoException).code === "string";
  if (isExpected && !env.LOWRANK_DEBUG) return error.message;
  const stack = env.LOWRANK_DEBUG ? `\n${error.stack}` : "; LOWRANK_DEBUG=1 shows where";
  return `${error.message}${isExpected ? "" : " (a fault of lowrank, please report it)"}${stack}`;
}
