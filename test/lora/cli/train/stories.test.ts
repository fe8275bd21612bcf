/**
 * @file `lowrank train` on a real, published model: a few steps on a text of another kind make the text much more probable,
 * and the sample another one. The model lies beside the checkout; without it these tests are skipped.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { exists, removeFile } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quickFolder } from "../../../support/faults.ts";
import { lowrank } from "../run.ts";

const stories = suite("lowrank train on stories260K");
const base = "../shared/models/stories260K";

if (!exists(base)) {
  console.log(`skipped: training a published model: ${base} is not there`);
  stories.skip("training a published model");
} else {
  const folder = quickFolder();
  stories.after(() => removeFile(folder));
  const text = join(folder, "letters.txt");
  const letter = (n: number): string =>
    `Dear friend number ${n}, I write to you from the ship. The captain is well, and the sea is calm. ` +
    `Today we saw ${n + 2} whales and a small island. Give my love to everybody at home. Yours, the sailor.\n\n`;
  writeFileSync(text, Array.from({ length: 24 }, (_, i) => letter(i)).join(""));

  stories("the loss falls, and the adapted model writes something else", async () => {
    const out = join(folder, "adapter");
    const words = ["--base", base, "--text", text, "--method", "dora", "--rank", "4", "--steps", "12"];
    const more = ["--validation", "0.2", "--batch-size", "4", "--length", "96", "--lr", "0.005"];
    const { code, stderr, json } = await lowrank(["train", ...words, ...more, "--out", out, "--json"]);
    assert.is(code, 0, stderr);
    const { loss, sample } = json<{
      loss: { before: number; after: number; of: string };
      sample: { before: string; after: string };
    }>();
    assert.is(loss.of, "validation");
    assert.ok(loss.after < loss.before - 0.5, `${loss.before} to ${loss.after}`);
    assert.is.not(sample.after, sample.before);

    const asked = ["--base", base, "--text", text, "--json", "--quiet"];
    const [plain, adapted] = [
      await lowrank(["eval", ...asked]),
      await lowrank(["eval", ...asked, "--adapter", out]),
    ];
    assert.is(plain.code + adapted.code, 0, adapted.stderr);
    assert.not.equal(adapted.json(), plain.json());
  });
}

stories.run();
