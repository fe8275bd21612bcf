/** @file `lowrank convert`: an adapter of any method as a LoRA adapter, also of another rank. */

import { LowrankError } from "../../../core/index.ts";
import { convertAdapter } from "../../index.ts";
import { parseAdapter } from "../base.ts";
import { defineCommand } from "../command.ts";
import { text } from "../flags.ts";
import { optionalBase, outOption, overwriteOption } from "./output.ts";
import { given, showConverted, truncationOptions } from "./ranks.ts";

export const command = defineCommand({
  options: {
    adapter: text("folder", "the adapter to convert", { required: true }),
    out: outOption("the new adapter"),
    ...truncationOptions,
    ...optionalBase,
    overwrite: overwriteOption,
  },
  examples: [
    "convert --adapter my-dora --base models/llama --out my-lora --energy 0.99",
    "convert --adapter rank-64 --rank 8 --out rank-8",
  ],
  notes:
    "Without --rank and --energy ΔW is the same but for rounding. `kept` is the part of ‖ΔW‖² that the new adapter holds;\n" +
    "--energy 0.9 takes as few ranks in each layer as hold 0.9 of it. DoRA, PiSSA and OLoRA need --base.",
  run({ options }, terminal) {
    const { env } = terminal.io;
    const { folder, weight } = parseAdapter(options.adapter, env);
    if (weight !== 1) throw new LowrankError("--adapter: convert takes no weight; lowrank combine does");
    const report = convertAdapter({ adapter: folder, out: options.out, ...given(options, env) });
    terminal.result({ out: options.out, ...report }, () => showConverted(report, options.out, terminal));
  },
});
