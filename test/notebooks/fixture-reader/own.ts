// %% [markdown]
// # A notebook that takes a text and a base

// %% Settings

import { validationLoss } from "../../../notebooks/support/experiments/evaluation.ts";
import { defineSettings, display, nearShift, readersShift, table } from "../../../notebooks/support/index.ts";

const settings = defineSettings({
  steps: { quick: 2, about: "steps of each adaptation", min: 1 },
  gpt2: { quick: true, about: "whether a GPT-2 is needed" },
});

// %% The shift

const asked = settings.gpt2 ? readersShift({ models: ["gpt2"] }) : readersShift();
const shift = asked ?? nearShift("tiny-a", { reported: 32, choosing: 32 });
const { base, name, domain, choosing } = shift;
const rows = (batches: typeof choosing): number => batches.reduce((sum, { ids }) => sum + ids.shape[0], 0);
const [{ ids }] = domain.validation;
display(
  table([
    {
      base,
      name,
      reported: rows(domain.validation),
      choosing: rows(choosing),
      tokens: ids.shape[1],
      learns: Number.isFinite(
        validationLoss(shift.copy(), { ...domain, validation: [domain.validation[0]] }),
      ),
      begins: shift.tokenizer.decode(ids.data.subarray(0, 6)),
    },
  ]),
);
