/** @file The law of the lab: the same controls give the same losses and the same bytes, however often, beside whatever else. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { setThreads } from "../../../core/cpu/index.ts";
import type { Controls, MethodName } from "../../../notebooks/lab/engine/types.ts";
import { controlsOf, given, startedEngine, steps } from "./support.ts";

const law = suite("the lab's law");

/** Losses and adapter bytes after so many steps. */
async function outcome(controls: Controls, count: number, between?: Controls) {
  const engine = await startedEngine();
  const { id } = given(await engine.open(controls));
  const losses = (await steps(engine, id, 2)).map(({ loss }) => loss);
  if (between) {
    const other = given(await engine.open(between)).id; // another run, and every way to look, change nothing
    await steps(engine, other, 2);
    given(await engine.look(id, "model.layers.0.mlp.up_proj"));
    given(await engine.write(id, "The"));
    await engine.close(other);
  }
  losses.push(...(await steps(engine, id, count - 2)).map(({ loss }) => loss));
  const { safetensors, config } = given(await engine.adapter(id));
  await engine.close(id);
  return { losses, safetensors, config };
}

for (const method of ["lora", "dora", "adalora", "vera", "loftq", "full", "bitfit"] satisfies MethodName[])
  law(`${method}: a run is the same again, beside another run`, async () => {
    const steps = method === "lora" || method === "adalora" ? 20 : 5; // AdaLoRA's budget falls within them
    const controls = controlsOf(method, { steps });
    const [one, two] = [
      await outcome(controls, steps),
      await outcome(controls, steps, controlsOf("dora", { seed: 7 })),
    ];
    assert.equal(one.losses, two.losses);
    assert.ok(Buffer.from(one.safetensors).equals(two.safetensors));
    assert.is(one.config, two.config);
  });

law("threads change no bit", async () => {
  const outcomes = [];
  for (const threads of [1, 3]) {
    setThreads(threads);
    outcomes.push(await outcome(controlsOf("lora", { format: "nf4", doubleQuant: true }), 4));
  }
  setThreads(1);
  assert.equal(outcomes[0].losses, outcomes[1].losses);
  assert.ok(Buffer.from(outcomes[0].safetensors).equals(outcomes[1].safetensors));
});

law("another seed is another run", async () => {
  const [one, two] = [
    await outcome(controlsOf("lora"), 3),
    await outcome(controlsOf("lora", { seed: 2 }), 3),
  ];
  assert.not.equal(one.losses, two.losses);
});

law.run();
