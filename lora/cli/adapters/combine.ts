/** @file `lowrank combine`: several adapters with weights as one LoRA adapter. */

import { LowrankError } from "../../../core/index.ts";
import { combineAdapters } from "../../index.ts";
import { adapterOption, parseAdapter } from "../base.ts";
import { defineCommand } from "../command.ts";
import { choice } from "../flags.ts";
import { optionalBase, outOption, overwriteOption } from "./output.ts";
import { given, showConverted, truncationOptions } from "./ranks.ts";

export const command = defineCommand({
  options: {
    adapter: adapterOption,
    out: outOption("the new adapter"),
    by: choice("the rule; by default svd with --rank or --energy, else linear", ["linear", "cat", "svd"]),
    ...truncationOptions,
    ...optionalBase,
    overwrite: overwriteOption,
  },
  examples: [
    "combine --adapter style=0.5 --adapter facts --out both",
    "combine --adapter style --adapter facts=-1 --rank 8 --out difference",
  ],
  notes:
    "ΔW = Σ weight · ΔW of each adapter. linear: exact, in as few ranks as it has. cat: exact, the factors side by side.\n" +
    "svd: the best approximation with --rank, or with --energy of ‖ΔW‖². PEFT's own linear adds A and B apart, which is\n" +
    "another ΔW. DoRA, PiSSA and OLoRA need --base.",
  run({ options }, terminal) {
    const { adapter, out, by } = options;
    const { env } = terminal.io;
    if (adapter.length === 0)
      throw new LowrankError(
        "--adapter: expected the folders of adapters, such as --adapter style=0.5 --adapter facts; got none",
      );
    const adapters = adapter.map((one) => parseAdapter(one, env));
    const report = combineAdapters({ adapters, out, ...(by && { by }), ...given(options, env) });
    terminal.result({ out, ...report }, () => showConverted(report, out, terminal));
  },
});
