/** @file The runner is itself checked: whatever is wrong with a case or a result must come out as a failure. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { serializeSafetensors, type TensorBytes, tensorBytes } from "lowrank/core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readCases } from "./cases.ts";
import { relativeError } from "./check.ts";
import { type CaseResult, runCases } from "./run-cases.ts";

const test = suite("conformance runner");

const TOLERANCE = { rtol: 1e-5, atol: 1e-6, f32_dev: 0 };
const row = (...values: number[]): TensorBytes => tensorBytes("F32", [values.length], values);

/** A case that passes, with numbers that float32 holds exactly. Tests spoil one thing in it. */
function soundCase() {
  const output = (shape: number[]) => ({ role: "output", dtype: "F32", shape, tolerance: { ...TOLERANCE } });
  const input = (shape: number[]) => ({ role: "input", dtype: "F32", shape });
  return {
    description: {
      schema: "oracle-case/1",
      id: "relu",
      group: "nn",
      method: "nn-relu",
      params: {},
      data: "relu.safetensors",
      tensors: { x: input([3]), g: input([3]), y: output([3]), grad_x: output([3]) } as Record<
        string,
        object
      >,
    } as Record<string, unknown> & { tensors: Record<string, Record<string, unknown>> },
    tensors: new Map([
      ["x", row(-1, 2, 3)],
      ["g", row(1, 10, 100)],
      ["y", row(0, 2, 3)],
      ["grad_x", row(0, 10, 100)],
    ]),
  };
}

type Case = ReturnType<typeof soundCase>;

const filesOf = ({ description, tensors }: Case): Map<string, Uint8Array> =>
  new Map([
    ["relu.json", new TextEncoder().encode(JSON.stringify(description))],
    ["relu.safetensors", serializeSafetensors(tensors)],
  ]);

/** The result of the sound case after `spoil`. */
function resultOf(spoil: (c: Case) => void): CaseResult {
  const c = soundCase();
  spoil(c);
  const results = runCases(readCases(filesOf(c)));
  assert.is(results.length, 1);
  return results[0];
}

function assertFails(because: RegExp, spoil: (c: Case) => void): void {
  const { status, detail } = resultOf(spoil);
  assert.is(status, "failed", detail);
  assert.match(detail, because);
}

test("a sound case passes", () => {
  assert.equal(
    resultOf(() => {}),
    { path: "relu", status: "passed", detail: "0 of the tolerance (grad_x)" },
  );
});

test("a value passes if and only if its error is at most atol + rtol · |stored|", () => {
  const outputs = { y: [0, 2, 3], grad_x: [0, 10, 100] };
  fc.assert(
    fc.property(
      fc.constantFrom("y", "grad_x"),
      fc.nat(2),
      fc.constantFrom(-1, 1),
      fc.double({ min: -6, max: 6, noNaN: true }).map((power) => 2 ** power), // error as a multiple of the allowed one
      (name, i, sign, ratio) => {
        const got = outputs[name];
        const stored = Float32Array.from(got);
        stored[i] += sign * ratio * (TOLERANCE.atol + TOLERANCE.rtol * Math.abs(got[i]));
        const allowed = TOLERANCE.atol + TOLERANCE.rtol * Math.abs(stored[i]);
        const { status } = resultOf(({ tensors }) => tensors.set(name, row(...stored)));
        assert.is(status, Math.abs(got[i] - stored[i]) <= allowed ? "passed" : "failed");
      },
    ),
  );
});

test("NaN equals NaN only, an infinity only itself, and no finite tolerance spans them", () => {
  const tolerance = { rtol: 1e-2, atol: 1e-3 };
  for (const odd of [Number.NaN, Infinity, -Infinity]) {
    assert.is(relativeError(odd, odd, tolerance), 0);
    for (const other of [0, 1, -odd, Number.NaN, Infinity].filter((value) => !Object.is(value, odd))) {
      if (Number.isNaN(odd) && Number.isNaN(other)) continue;
      assert.is(relativeError(odd, other, tolerance), Infinity, `${odd} for ${other}`);
      assert.is(relativeError(other, odd, tolerance), Infinity, `${other} for ${odd}`);
    }
  }
});

test("an exact output allows no error at all", () => {
  assertFails(/y: expected 2\.000000238418579 at \[1\]; got 2/, ({ description, tensors }) => {
    description.tensors.y.tolerance = { exact: true };
    tensors.set("y", row(0, 2 + 2 ** -22, 3));
  });
});

test("an unknown method, output or input is a failure", () => {
  assertFails(/unknown method nn-telepathy/, ({ description }) => {
    description.method = "nn-telepathy";
  });
  assertFails(/unknown output aura of nn-relu/, ({ description, tensors }) => {
    description.tensors.aura = description.tensors.y;
    tensors.set("aura", row(0, 2, 3));
  });
  assertFails(/nn-relu needs the input g/, ({ description, tensors }) => {
    delete description.tensors.g;
    tensors.delete("g");
  });
});

test("a tensor that is missing, not listed, or not as described is a failure", () => {
  assertFails(/lists grad_x, which is missing from relu\.safetensors/, ({ tensors }) =>
    tensors.delete("grad_x"),
  );
  assertFails(/holds grad_x, which the case does not list/, ({ description }) => {
    delete description.tensors.grad_x;
  });
  assertFails(/y: described as F32 \[1,3\], stored as F32 \[3\]/, ({ description }) => {
    description.tensors.y.shape = [1, 3];
  });
  assertFails(/y: described as I32 \[3\], stored as F32 \[3\]/, ({ description }) => {
    description.tensors.y.dtype = "I32";
  });
});

test("a result of another shape is a failure", () => {
  assertFails(/expected shape \[3, 1\]; got \[3\]/, ({ description, tensors }) => {
    description.tensors.y.shape = [3, 1];
    tensors.set("y", tensorBytes("F32", [3, 1], [0, 2, 3]));
  });
});

test("a case without outputs checks nothing, and is a failure", () => {
  assertFails(/expected at least one output/, ({ description }) => {
    for (const entry of Object.values(description.tensors)) entry.role = "input";
  });
});

test("a tolerance that is absent, malformed or loosened is a failure", () => {
  const loosened: unknown[] = [
    undefined,
    null,
    {},
    { exact: false },
    { exact: true, atol: 1 },
    { rtol: 1e-5 },
    { atol: 1e-5 },
    { rtol: "1e-5", atol: 0 },
    { rtol: -1, atol: 0 },
    { rtol: 0, atol: null },
    { rtol: 1, atol: 0 },
    { rtol: 0, atol: 1 },
    { rtol: 0, atol: 0, factor: 1000 },
  ];
  for (const tolerance of loosened) {
    assertFails(/^y: expected/, ({ description }) => {
      description.tensors.y.tolerance = tolerance;
    });
  }
});

test("a description that lacks a field, or is of another schema, is a failure", () => {
  for (const field of ["schema", "id", "group", "method", "params", "data", "tensors"]) {
    assertFails(/expected/, ({ description }) => {
      delete description[field];
    });
  }
  assertFails(/expected the schema oracle-case\/1; got "oracle-case\/2"/, ({ description }) => {
    description.schema = "oracle-case/2";
  });
});

test("a param that is missing or of another type is a failure", () => {
  assertFails(/params\.exponent: expected a number; got undefined/, ({ description }) => {
    description.method = "nn-pow";
  });
  assertFails(/params\.exponent: expected a number; got "2"/, ({ description }) => {
    description.method = "nn-pow";
    description.params = { exponent: "2" };
  });
});

test("an optimizer setting that the runner does not know is a failure", () => {
  assertFails(/params\.options: expected only .*; got maximize/, ({ description, tensors }) => {
    description.method = "optim-sgd";
    description.params = { optimizer: "SGD", steps: 1, options: { lr: 0.1, maximize: true } };
    description.tensors["x.grad"] = { role: "input", dtype: "F32", shape: [1, 3] };
    tensors.set("x.grad", tensorBytes("F32", [1, 3], [1, 2, 3]));
    delete description.tensors.g;
    tensors.delete("g");
  });
});

test("files that are cut short or not JSON are failures, each alone", () => {
  const files = filesOf(soundCase());
  const cut = (name: string): CaseResult[] => {
    const part = files.get(name)?.subarray(0, 40) as Uint8Array;
    return runCases(readCases(new Map([...files, [name, part]])));
  };
  assert.match(cut("relu.json")[0].detail, /not JSON/);
  assert.match(cut("relu.safetensors")[0].detail, /relu\.safetensors: the header has/);
  const [other] = runCases(readCases(new Map([...files].filter(([name]) => name.endsWith(".json")))));
  assert.match(other.detail, /expected a file relu\.safetensors beside the case/);
});

test("a case in the index without a file is a failure; configurations are no cases", () => {
  const index = { schema: "oracle-index/1", cases: [{ path: "relu.json" }, { path: "lost/case.json" }] };
  const more = { "index.json": index, "tiny/config.json": { model_type: "gpt2" } };
  const added = Object.entries(more).map(
    ([name, content]) => [name, new TextEncoder().encode(JSON.stringify(content))] as const,
  );
  const results = runCases(readCases(new Map([...filesOf(soundCase()), ...added])));
  assert.equal(
    results.map(({ path, status }) => [path, status]),
    [
      ["lost/case", "failed"],
      ["relu", "passed"],
    ],
  );
});

const run = (args: readonly string[], device = "reference") => {
  const script = fileURLToPath(new URL("run.ts", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, ...args], {
    encoding: "utf8",
    env: { ...process.env, LOWRANK_DEVICE: device },
  });
  return { status, out: stdout.trim().split("\n"), err: stderr.trim().split("\n") };
};

test("the command ends with the totals, and exits with 1 after a failure", () => {
  const folder = mkdtempSync(join(tmpdir(), "conformance-"));
  try {
    const spoiled = soundCase();
    spoiled.tensors.set("y", row(0, 2, 4));
    for (const [name, bytes] of filesOf(spoiled)) writeFileSync(join(folder, name), bytes);
    const { status, out } = run([folder]);
    assert.is(status, 1);
    assert.is(out[0], "device reference: plain loops");
    assert.match(out[1], /^✗ relu +failed: y: .* times the tolerance, expected 4 at \[2\]; got 3/);
    assert.is(out.at(-1), "0 passed, 1 failed, 0 skipped");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("bad arguments are one clear error each", () => {
  const cases: [string[], string, RegExp][] = [
    [
      ["/no/such/folder"],
      "reference",
      /^conformance: expected a folder of cases; there is none at \/no\/such/,
    ],
    [
      ["--only", "telepathy"],
      "reference",
      /^conformance: expected cases in .* that hold "telepathy"; found none/,
    ],
    [[], "nonsense", /^conformance: device: expected one of .*; got "nonsense"/],
  ];
  for (const [args, device, message] of cases) {
    const { status, err } = run(args, device);
    assert.is(status, 1);
    assert.is(err.length, 1, err.join("\n"));
    assert.match(err[0], message);
  }
});

test.run();
