/** @file The lab without an engine: counts and addresses. */
import fc from "fast-check";
import { countParameters } from "lowrank/lora";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addressOf, fromAddress, LONGEST_IN_ADDRESS } from "../../../notebooks/lab/engine/address.ts";
import { firstControls, MAX_RANK } from "../../../notebooks/lab/engine/controls.ts";
import { countPasted, countPublished } from "../../../notebooks/lab/engine/counts.ts";
import { places } from "../../../notebooks/lab/engine/places.ts";
import {
  type Controls,
  formatNames,
  methodNames,
  placeNames,
  targetNames,
} from "../../../notebooks/lab/engine/types.ts";
import { controlsOf } from "./support.ts";

const counts = suite("the lab's counts");

counts("on Llama 7B they are countParameters'", () => {
  for (const [method, name] of [
    ["lora", "lora"],
    ["dora", "dora"],
    ["lora-fa", "lora-fa"],
    ["vera", "vera"],
  ] as const)
    for (const place of placeNames) {
      const { trainable, total } = countPublished("llama-7b", controlsOf(method, { rank: 8, place }));
      const counted = countParameters(name, { config: "llama-7b", rank: 8, target: places[place] });
      assert.is(trainable, counted.trainable, `${method}, ${place}`);
      assert.is(total, counted.base);
    }
});

counts("on GPT-3 they are LoRA's table: r = 1 on W_q and W_v trains 4.7 million, r = 8 37.7 million", () => {
  const at = (rank: number): number =>
    countPublished("gpt3-175b", controlsOf("lora", { rank, place: "qv" })).trainable;
  assert.is(at(1), 4_718_592);
  assert.is(at(8), 37_748_736);
});

counts("the formula is filled in, and its terms add up", () => {
  const { filled } = countPublished("gpt3-175b", controlsOf("lora", { rank: 4, place: "attention" }));
  assert.is(filled, "384 · 4 (12,288 + 12,288) = 37,748,736");
});

counts("a pasted config.json is counted, or refused in a sentence", () => {
  const controls = controlsOf("lora", { place: "all" });
  const bert = countPasted('{"model_type": "bert"}', controls);
  assert.equal(
    bert.groups.map(({ count }) => count),
    [48, 12, 12],
  );
  const message = (text: string): string => {
    try {
      countPasted(text, controls);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  assert.match(message(""), /^config\.json: expected the text of one; got nothing\.$/);
  assert.match(message("{"), /^config\.json: not JSON/);
  assert.match(message('{"model_type": "mamba"}'), /^config\.json: .*model_type to be one of/);
  assert.match(message('{"model_type": "llama", "hidden_size": -1}'), /hidden_size/);
});

counts.run();

const addresses = suite("the lab's addresses");

addresses("the controls come back from their address", () => {
  const plain = { noNullPrototype: true } as const;
  const fields: { [Name in keyof Controls]: fc.Arbitrary<Controls[Name]> } = {
    target: fc.constantFrom(...targetNames),
    text: fc.constant(""),
    method: fc.constantFrom(...methodNames),
    rank: fc.integer({ min: 1, max: MAX_RANK }),
    alpha: fc.double({ min: 0.1, max: 256, noNaN: true }),
    place: fc.constantFrom(...placeNames),
    rate: fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
    ratio: fc.double({ min: 0.1, max: 64, noNaN: true }),
    format: fc.constantFrom(...formatNames),
    blockSize: fc.constantFrom(32, 64, 4096),
    doubleQuant: fc.boolean(),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    steps: fc.integer({ min: 1, max: 2000 }),
  };
  const controls = fc.record(fields, plain);
  fc.assert(fc.property(controls, (one) => assert.equal(fromAddress(addressOf(one)), one)));
});

addresses("a short pasted text is in the address, a long one is not", () => {
  const own = { ...firstControls, target: "own", text: "grüße & 🐋 = #?" } as const;
  assert.equal(fromAddress(addressOf(own)), own);
  assert.is(fromAddress(addressOf({ ...own, text: "x".repeat(LONGEST_IN_ADDRESS + 1) })).text, "");
});

addresses("an address names every control but the text; nonsense stays to be refused", () => {
  const named = [...new URLSearchParams(addressOf(firstControls).slice(1)).keys()];
  assert.equal(
    named.sort(),
    Object.keys(firstControls)
      .filter((name) => name !== "text")
      .sort(),
  );
  assert.equal(fromAddress("?utm=1"), firstControls);
  assert.ok(Number.isNaN(fromAddress("rank=many").rank));
  assert.ok(Number.isNaN(fromAddress("rank=").rank));
});

addresses.run();
