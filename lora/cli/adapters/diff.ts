/** @file `lowrank diff`: how far two adapters are apart, by their ΔW. */

import { LowrankError } from "../../../core/index.ts";
import { diffAdapters } from "../../index.ts";
import { parseAdapter } from "../base.ts";
import { defineCommand } from "../command.ts";
import { resolveFolder } from "../hub/index.ts";
import { optionalBase, short } from "./output.ts";

export const command = defineCommand({
  arguments: [
    { name: "<first>", summary: "an adapter's folder" },
    { name: "<second>", summary: "another's, for the same base" },
  ],
  options: optionalBase,
  examples: ["diff run-1 run-2", "diff my-dora my-lora --base models/llama --json"],
  notes:
    "relative: ‖ΔW₁ − ΔW₂‖ / √(‖ΔW₁‖² + ‖ΔW₂‖²), 0 for equal, 1 for orthogonal, 1.414 for opposite updates. overlap: φ of\n" +
    "LoRA's Eq. 4 for the spans of all input (A) and output (B) directions, 1 when one holds the other. A and B themselves\n" +
    "are not compared: many pairs give one ΔW. The base is needed for DoRA, PiSSA and OLoRA only.",
  run({ args, options }, terminal) {
    const { env } = terminal.io;
    const [first, second] = args.map((one) => {
      const { folder, weight } = parseAdapter(one, env);
      if (weight !== 1) throw new LowrankError(`${one}: diff takes no weight`);
      return folder;
    });
    const base = options.base === undefined ? undefined : resolveFolder(options.base, { who: "--base", env });
    const report = diffAdapters(first, second, base === undefined ? {} : { base });
    terminal.result({ first, second, ...report }, () => {
      const { layers, total, others } = report;
      terminal.table(
        ["layer", "‖ΔW₁‖", "‖ΔW₂‖", "ranks", "relative", "cosine", "overlap A", "overlap B"],
        [
          ...layers.map(({ layer, norms, ranks, relative, cosine, inputOverlap, outputOverlap }) => [
            ...[layer, short(norms[0]), short(norms[1]), ranks.join(", "), short(relative), short(cosine)],
            ...[inputOverlap, outputOverlap].map((value) => (value === null ? null : short(value))),
          ]),
          [
            "all together",
            ...total.norms.map(short),
            "",
            short(total.relative),
            short(total.cosine),
            null,
            null,
          ],
        ],
      );
      if (others.length > 0) terminal.note(`also apart, beside ΔW: ${others.join(", ")}`);
    });
  },
});
