/** @file Every equation, section, table, algorithm, appendix and figure that a source cites is in the table of papers. */

import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { citationsIn } from "./support/cited.ts";

const citations = suite("citations");

const sources = ["core", "autograd", "nn", "lora", "quant", "notebooks"].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name}`)
    .filter((file) => file.endsWith(".ts") && !/assembly|generated|support\/(?!experiments)/.test(file)),
);
const cited = sources.flatMap((file) =>
  citationsIn(readFileSync(file, "utf8"), file).map((one) => ({ ...one, file })),
);

citations("every label cited is in the table, under the paper that it is of", () => {
  assert.ok(cited.length > 300, `${cited.length} found`);
  assert.equal(
    cited
      .filter(({ label, paper }) => paper === undefined || !(label in paper.labels))
      .map(
        ({ file, line, label, paper }) =>
          `${file}:${line}: ${paper?.name ?? "no paper is named for"} ${label}`,
      ),
    [],
  );
});

citations("no header of the library cites a label that nobody has seen", () => {
  // Tables and figures are cited for their numbers, which notebooks print; these are what the library relies on.
  const unseen = cited.filter(({ file, label, paper }) => {
    if (file.startsWith("notebooks/") || !paper) return false;
    const entry = paper.labels[label];
    return (
      (Array.isArray(entry) ? entry[1] : paper.check) === "unseen" && /^(Eq|Algorithm|Appendix)/.test(label)
    );
  });
  assert.equal(
    unseen.map(({ file, line, label }) => `${file}:${line}: ${label}`),
    [],
  );
});

const of = (text: string, file = "lora/x.ts"): string[] =>
  citationsIn(text, file).map(({ label, paper }) => `${paper?.name ?? "?"} ${label}`);

citations(
  "a citation is of the paper beside it, else of the last one introduced above, else of its folder's",
  () => {
    const header = "/** @file DoRA. Liu et al., 2024, arXiv:2402.09353.\n";
    assert.equal(of(`${header} * W' = m V' (Eq. 5)\n */`), ["DoRA Eq. 5"]);
    assert.equal(of(`${header} * LoRA's factor, which Eq. 5 leaves out; LoRA, Eq. 3; see\n * LoRA §4.1 */`), [
      "DoRA Eq. 5",
      "LoRA Eq. 3",
      "LoRA §4.1",
    ]);
    assert.equal(
      of("/** (QLoRA, sections 2 and 3) (§7.2 and §7.3 of LoRA's paper) */"),
      [
        "QLoRA §2",
        "QLoRA §3",
        "QLoRA §7.2", // only what stands beside a name is of it
        "LoRA §7.3",
      ].map((one) => one.replace("QLoRA §7.2", "? §7.2")),
    );
    assert.equal(of("// figures 3, 4 and 8; appendix G; tables 2 to 4", "notebooks/lora.ts"), [
      "LoRA Figure 3",
      "LoRA Figure 4",
      "LoRA Figure 8",
      "LoRA Appendix G",
      "LoRA Table 2",
      "LoRA Table 3",
      "LoRA Table 4",
    ]);
    assert.equal(of("const table6 = 6; // a table W [num, dim]; 3 tables; the algorithms here"), []);
  },
);

citations("an equation that the paper does not have is found", () => {
  const [wrong] = citationsIn(
    "/** @file LoRA. Hu et al., 2021, arXiv:2106.09685. h = W x (Eq. 33) */",
    "lora/x.ts",
  );
  assert.is(wrong.paper?.name, "LoRA");
  assert.not.ok(wrong.label in wrong.paper!.labels);
});

citations.run();
