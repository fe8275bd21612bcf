/** @file Which modules a target means. */

import * as fc from "fast-check";
import { AdapterError, editDistance } from "lowrank/core";
import { configurations, layout } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  checkLayers,
  layerNumber,
  matchModules,
  matchPattern,
  matchTargets,
  nearestNames,
  type Targetable,
} from "../../nn/module/targets.ts";

const test = suite("targets");

const gpt2 = layout(configurations.gpt2);
const llama = layout(configurations["llama-7b"]);

/** The error of `run`, which must be an AdapterError with this message. */
function refuses(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => error instanceof AdapterError && message.test(error.message));
}

const part = fc.constantFrom("a", "b", "proj", "q_proj", "0", "1");
const dotted = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("."));
const kind = fc.constantFrom<Targetable["kind"]>("linear", "conv1d", "embedding", "head", "norm", "other");
const modulesOf = fc
  .uniqueArray(dotted, { minLength: 1, maxLength: 12 })
  .chain((names) => fc.tuple(...names.map((name) => kind.map((kind) => ({ name, kind })))));
const adaptable = ({ kind }: Targetable) => kind !== "norm" && kind !== "other";

/** Names matched, or none where nothing matches. */
function matched(...args: Parameters<typeof matchTargets>): string[] {
  try {
    return matchTargets(...args);
  } catch (error) {
    assert.instance(error, AdapterError);
    return [];
  }
}

test("a name matches the modules whose last dotted parts are its parts", () => {
  fc.assert(
    fc.property(modulesOf, dotted, (modules, target) => {
      const parts = target.split(".");
      const expected = modules
        .filter(adaptable)
        .map(({ name }) => name)
        .filter((name) => name.split(".").slice(-parts.length).join("/") === parts.join("/"));
      assert.equal(matched(modules, target), expected);
    }),
  );
});

test("a regular expression matches whole names, whatever its flags and its lastIndex", () => {
  fc.assert(
    fc.property(modulesOf, dotted, fc.constantFrom("", "g", "y"), (modules, target, flags) => {
      const escaped = target.replaceAll(".", "\\.");
      const expected = modules
        .filter(adaptable)
        .filter(({ name }) => name === target || name.startsWith("a."));
      const pattern = new RegExp(`${escaped}|a\\..*`, flags);
      pattern.lastIndex = 1;
      assert.equal(
        matched(modules, pattern),
        expected.map(({ name }) => name),
      );
    }),
  );
});

test("a list matches the union, in the order of the modules, each once", () => {
  fc.assert(
    fc.property(modulesOf, fc.integer(), fc.integer(), (modules, i, j) => {
      const [a, b] = [i, j].map((k) => modules[Math.abs(k) % modules.length].name);
      const union = new Set([...matched(modules, a), ...matched(modules, b)]);
      const whole = matched(modules, a).length > 0 && matched(modules, b).length > 0;
      const expected = modules.map(({ name }) => name).filter((name) => union.has(name));
      assert.equal(matched(modules, [a, b]), whole ? expected : []); // a part that matches nothing spoils the list
    }),
  );
});

test("all-linear is every linear layer except the output head", () => {
  fc.assert(
    fc.property(modulesOf, (modules) => {
      const linear = modules.filter(({ kind }) => kind === "linear" || kind === "conv1d");
      assert.equal(
        matched(modules, "all-linear"),
        linear.map(({ name }) => name),
      );
    }),
  );
  assert.is(matchTargets(llama, "all-linear").length, 7 * 32);
  assert.is(matchTargets(gpt2, "all-linear").length, 4 * 12);
});

test("exclude takes away what it matches", () => {
  assert.is(matchTargets(llama, "all-linear", ["o_proj", /.*\.mlp\..*/]).length, 3 * 32);
  assert.is(matchTargets(gpt2, "c_proj", "mlp.c_proj").length, 12);
});

test("layers keeps the blocks with these numbers", () => {
  assert.equal(matchTargets(llama, ["q_proj", "v_proj"], [], [31, 2]), [
    "model.layers.2.self_attn.q_proj",
    "model.layers.2.self_attn.v_proj",
    "model.layers.31.self_attn.q_proj",
    "model.layers.31.self_attn.v_proj",
  ]);
});

test("a suffix begins at a dot", () => {
  assert.equal(
    matchTargets(gpt2, "0.attn.c_proj").length,
    1, // and not h.10
  );
  refuses(() => matchTargets(gpt2, "proj"), /"proj" matches no module; nearest names: c_proj/);
});

test("a head or an embedding is adapted when it is named", () => {
  assert.equal(matchTargets(llama, "lm_head"), ["lm_head"]);
  assert.equal(matchTargets(llama, ["embed_tokens"]), ["model.embed_tokens"]);
});

test("a target that matches nothing lists the nearest names", () => {
  refuses(
    () => matchTargets(llama, "q_porj"),
    /^target: "q_porj" matches no module; nearest names: q_proj, /,
  );
  refuses(
    () => matchTargets(llama, ["q_proj", "V_PROJ"]),
    /"V_PROJ" matches no module; nearest names: v_proj/,
  );
  refuses(() => matchTargets(llama, "attn.q_proj"), /nearest names: self_attn\.q_proj/);
  refuses(() => matchTargets(llama, /q_proj/), /\/q_proj\/ matches no module; names end in .*q_proj/);
  refuses(
    () => matchTargets(llama, "q_proj", "v_prj"),
    /^exclude: "v_prj" matches no module; nearest names: v_proj/,
  );
  refuses(() => matchTargets([], "q_proj"), /the model has none that take adapters/);
});

test("a target of norms or containers only is refused as such", () => {
  refuses(
    () => matchTargets(gpt2, "ln_1"),
    /"ln_1" matches only modules that take no adapter: .*h\.0\.ln_1 and 11/,
  );
  const container: Targetable[] = [{ name: "mlp", kind: "other" }, ...llama];
  refuses(() => matchTargets(container, "mlp"), /"mlp" matches only modules that take no adapter: mlp$/);
});

test("a target whose modules are all excluded or outside the layers is refused", () => {
  refuses(
    () => matchTargets(llama, "q_proj", "q_proj"),
    /matches 32 modules, but exclude "q_proj" takes all/,
  );
  refuses(() => matchTargets(llama, "lm_head", [], [0]), /matches a module, but none is in layers 0/);
});

test("layers that are not there are refused with the range", () => {
  refuses(() => matchTargets(gpt2, "c_attn", [], [3, 12]), /blocks of this model \(0 to 11\); got 12/);
  refuses(() => matchTargets(gpt2, "c_attn", [], []), /got none/);
  refuses(() => checkLayers([0.5], ["h.0"]), /got 0.5/);
});

test("targets of no meaning are refused", () => {
  refuses(() => matchTargets(gpt2, []), /got none/);
  refuses(() => matchTargets(gpt2, ""), /got ""/);
  refuses(() => matchTargets(gpt2, undefined as unknown as string), /got undefined/);
  refuses(() => matchTargets(gpt2, ["c_attn", 3 as unknown as string]), /got 3/);
});

test("matchModules selects modules of any kind", () => {
  assert.equal([...matchModules("modulesToSave", gpt2, "ln_f")], ["transformer.ln_f"]);
});

test("a pattern's key is a regular expression for the end of a name, and the first that fits decides", () => {
  const names = matchTargets(gpt2, ["c_attn", "c_fc"], [], [0, 1, 10]);
  const ranks = matchPattern(
    "rankPattern",
    { "h.1.attn.c_attn": 5, "h\\.\\d\\..*fc": 2, "attn|mlp.c_fc": 3 },
    names,
    8,
  );
  assert.equal(Object.fromEntries(ranks), {
    "transformer.h.0.attn.c_attn": 8,
    "transformer.h.0.mlp.c_fc": 2,
    "transformer.h.1.attn.c_attn": 5,
    "transformer.h.1.mlp.c_fc": 2,
    "transformer.h.10.attn.c_attn": 8,
    "transformer.h.10.mlp.c_fc": 3,
  });
  refuses(
    () => matchPattern("rankPattern", { c_atn: 1 }, names, 8),
    /^rankPattern: "c_atn" .* nearest names: c_attn/,
  );
  refuses(
    () => matchPattern("rankPattern", { "(": 1 }, names, 8),
    /keys that are names or regular expressions; got "\("/,
  );
});

test("a module's block is the first whole number in its name", () => {
  assert.is(layerNumber("transformer.h.3.attn.c_attn"), 3);
  assert.is(layerNumber("layers.12.experts.4.up"), 12);
  assert.is(layerNumber("mlp2.conv1d"), undefined);
});

test("edit distance is symmetric, zero only between equals, and at most 1 after one edit", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(
    fc.property(word, word, fc.nat(), (a, b, k) => {
      const D = editDistance(a, b);
      assert.is(D, editDistance(b, a));
      assert.is(D === 0, a === b);
      assert.ok(D >= Math.abs(a.length - b.length) && D <= Math.max(a.length, b.length));
      const i = k % (a.length + 1);
      assert.is(editDistance(a, `${a.slice(0, i)}x${a.slice(i)}`), 1);
      const swapped =
        a.slice(0, i) +
        a
          .slice(i, i + 2)
          .split("")
          .reverse()
          .join("") +
        a.slice(i + 2);
      assert.ok(editDistance(a, swapped) <= 1);
    }),
  );
  assert.is(editDistance("kitten", "sitting"), 3);
});

test("nearest names are cut to as many parts as were asked for", () => {
  assert.equal(nearestNames("self_atn.q_proj", ["model.layers.0.self_attn.q_proj", "model.norm"], 1), [
    "self_attn.q_proj",
  ]);
});

test.run();
