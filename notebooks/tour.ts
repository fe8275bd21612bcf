// %% [markdown]
// # A tour of the engine
//
// Twelve small ideas, each with numbers that you can check on paper: tensors, gradients, ops of your own, the memory
// that a gradient costs, the gradient of a LoRA layer, devices, training, files. The page takes a few seconds to run.
// Change a number and run it again.
//
// **To run it:** `npm start -- tour` (`--set rank=2` to change a number). VS Code and Jupyter open `tour.ipynb` as it
// is; to execute it there, install the Deno kernel (`npm install --global deno`, `deno jupyter --install`) and build
// the library once (`npm run build`).

// %% Settings

import * as Plot from "@observablehq/plot";
import {
  checkGradients,
  grad,
  hessian,
  matmul,
  noGrad,
  OUTPUT,
  record,
  savedBytes,
  type Tensor,
  tensor,
} from "lowrank/autograd";
import {
  array,
  currentDevice,
  kernelCounts,
  listDevices,
  liveBytes,
  loadSafetensors,
  makeTemporaryFolder,
  measureMemory,
  type NDArray,
  random,
  readFile,
  removeFile,
  saveSafetensors,
  scope,
  tensorBytes,
  unary,
  withDevice,
  withPrecision,
} from "lowrank/core";
import { inject, LoRA, siteOf } from "lowrank/lora";
import { AdamW, fit, Linear, MLP, Module } from "lowrank/nn";
import { defineSettings, display, linePlot, md, plot, settingsTable, table } from "./support/index.ts";

const started = performance.now();
const settings = defineSettings({
  rank: { quick: 4, about: "r of the adapters", min: 1 },
  width: { quick: 64, about: "width of the layers whose memory is measured", min: 1 },
  steps: { quick: 400, about: "steps of training the tiny model", min: 1 },
  seed: { quick: 0, about: "of all random numbers" },
});
display(settingsTable(settings));
const rng = random(settings.seed);
const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && Array.from(a).every((value, i) => Object.is(value, b[i]));

// %% [markdown]
// ## 1. A tensor
//
// A tensor is numbers with a shape. A linear layer keeps its weight as `[out, in]`, and its inputs are rows:
// $Y = X W^\top$.

// %% Two inputs through a layer from three numbers to two

const X = tensor([
  [1, 2, 3],
  [4, 5, 6],
]); // [2, 3]
const W = tensor([
  [1, 0, -1],
  [2, 1, 0],
]); // [2, 3]
display(
  table(
    [
      { tensor: "X", "on paper": "", value: X },
      { tensor: "W", "on paper": "", value: W },
      { tensor: "X Wᵀ", "on paper": "1 − 3, 2 + 2, 4 − 6, 8 + 5", value: X.matmul(W.T) },
    ].map((row) => ({ ...row, value: String(row.value) })),
  ),
);

// %% [markdown]
// ## 2. A gradient
//
// Take one neuron with squared error: $L(w) = (w \cdot x - y)^2$. By hand,
// $\partial L / \partial w = 2\,(w \cdot x - y)\,x$. With $w = (3, -1)$, $x = (1, 2)$ and $y = 4$ the neuron outputs 1,
// the error is $-3$, the loss is 9, and the gradient is $-6x$. `backward` walks the recorded ops from the loss to the
// leaves and puts the result into `grad`.

// %% By hand and by backward

const w = tensor([3, -1], { requiresGrad: true });
const x = tensor([1, 2]);
const loss = w.mul(x).sum().sub(4).square();
loss.backward();
const byHand = [2 * (3 - 2 - 4) * 1, 2 * (3 - 2 - 4) * 2];
const byBackward = w.grad?.toArray() ?? [];
display(
  table(
    [0, 1].map((i) => ({
      "∂L/∂": `w${i + 1}`,
      "by hand": byHand[i],
      "by backward": byBackward[i],
      equal: byHand[i] === byBackward[i],
    })),
    { title: `The gradient of L = ${loss.item()}` },
  ),
);

// %% [markdown]
// ## 3. Finite differences check a gradient
//
// $\frac{f(x + h) - f(x - h)}{2h}$ equals the derivative up to $O(h^2)$, as long as the subtraction leaves enough
// digits. In float32 it leaves few: about one at $h = 10^{-6}$. `withPrecision("float64", …)` computes the same ops in
// double precision, and there the check is sharp.

// %% The error of the difference quotient of tanh at 1, in both precisions

const exactSlope = 1 - Math.tanh(1) ** 2;
const slopeError = (h: number): number => {
  const at = (value: number): number => tensor([value]).tanh().item();
  return Math.abs((at(1 + h) - at(1 - h)) / (2 * h) - exactSlope);
};
const quotients = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7].flatMap((h) =>
  (["float32", "float64"] as const).map((precision) => ({
    h,
    precision,
    error: withPrecision(precision, () => slopeError(h)),
  })),
);
display(
  linePlot(quotients, {
    x: "h",
    y: "error",
    series: "precision",
    xScale: "log",
    yScale: "log",
    yLabel: "|difference quotient − derivative|",
    title: "tanh′(1) by differences",
    plot: {
      x: { type: "log", label: "h", tickFormat: ".0e" },
      y: { type: "log", label: "|difference quotient − derivative|", grid: true, tickFormat: ".0e" },
    },
  }),
);

// %% [markdown]
// `checkGradients` does this in float64 for every element of every input, and throws where the two disagree.

// %% Checking a function of two inputs

const worst = checkGradients(
  (a, b) => matmul(a, b).gelu().softmax(),
  [tensor(rng.normal(6), [2, 3]), tensor(rng.normal(12), [3, 4])],
);
display(md`Largest difference for softmax(gelu(A B)), over 18 inputs: **${worst.toExponential(1)}**.`);

// %% [markdown]
// ## 4. An op of your own, in one function
//
// `record` takes the result of an op and, for each input, one rule: the vector–Jacobian product, and the values that it
// needs from the forward pass (`saves`). For $y = \tanh x$ the rule is $\bar x = \bar y \circ (1 - y^2)$, so the op
// saves its own output. What happens if the rule says $1 - x^2$ by mistake?

// %% A right rule and a wrong one

const right = (x: Tensor): Tensor =>
  record("tanh", unary("tanh", x.value), [
    { input: x, saves: [OUTPUT], vjp: (dY, y) => dY.mul(y.square().neg().add(1)) }, // x̄ = ȳ ∘ (1 − y²)
  ]);
const wrong = (x: Tensor): Tensor =>
  record("tanh", unary("tanh", x.value), [
    { input: x, saves: [x], vjp: (dY, x) => dY.mul(x.square().neg().add(1)) }, // the mistake: x for y
  ]);
const verdict = (op: (x: Tensor) => Tensor): string => {
  try {
    return `passes, largest difference ${checkGradients(op, [tensor([0.5, -1])]).toExponential(1)}`;
  } catch (error) {
    return (error as Error).message;
  }
};
display(
  table([
    { rule: "1 − y²", "checkGradients says": verdict(right) },
    { rule: "1 − x²", "checkGradients says": verdict(wrong) },
  ]),
);

// %% [markdown]
// ## 5. Gradients of gradients
//
// The rules are written in ops, so they can be differentiated again. $(x^3)'' = 6x$, which is 12 at $x = 2$. The
// Hessian of Rosenbrock's $f(x, y) = (1 - x)^2 + 100\,(y - x^2)^2$ at its minimum $(1, 1)$ is
// $\begin{pmatrix} 802 & -400 \\ -400 & 200 \end{pmatrix}$.

// %% A second derivative and a Hessian

const cube = (x: Tensor): Tensor => x.square().mul(x);
const rosenbrock = (p: Tensor): Tensor => {
  const [a, b] = [p.slice(0, 0, 1), p.slice(0, 1, 2)];
  return a.sub(1).square().add(b.sub(a.square()).square().mul(100)).sum();
};
const point = tensor([1, 1]);
display(
  table(
    [
      { what: "(x³)″ at 2", expected: "12", computed: grad(grad(cube))(tensor(2)).toArray().join(", ") },
      {
        what: "∇f at (1, 1)",
        expected: "0, 0",
        computed: grad(rosenbrock)(point)
          .toArray()
          .map((value) => value + 0)
          .join(", "),
      },
      {
        what: "∇²f at (1, 1)",
        expected: "802, -400, -400, 200",
        computed: hessian(rosenbrock, point).toArray().join(", "),
      },
    ].map((row) => ({ ...row, equal: row.expected === row.computed })),
    { title: "Derivatives of derivatives" },
  ),
);

// %% [markdown]
// ## 6. What an op saves, and what freezing frees
//
// Until `backward` has run, the graph keeps the values that the rules declared in `saves`, and nothing else. If an
// input needs no gradient, its rule is dropped, and with it the values that only this rule would have saved. Take
// LoRA's first factor, $z = x A^\top$: the gradient of $A$ needs $x$, which is wide; the gradient of $x$ needs only
// $A$. With $A$ frozen, $x$ is not kept. That is the idea of LoRA-FA.

// %% Bytes saved by z = x Aᵀ

const down = (x: Tensor, A: Tensor): Tensor =>
  record("down", matmul(x.detach(), A.detach().T).value, [
    { input: x, saves: [A], vjp: (dZ, A) => matmul(dZ, A) }, //    x̄ = z̄ A
    { input: A, saves: [x], vjp: (dZ, x) => matmul(dZ.T, x) }, //  Ā = z̄ᵀ x
  ]);
const { rank, width } = settings;
const ROWS = 128;
const savedBy = (trained: { x: boolean; A: boolean }): number =>
  scope(() => {
    const x = tensor(rng.normal(ROWS * width), [ROWS, width], { requiresGrad: trained.x });
    const A = tensor(rng.normal(rank * width), [rank, width], { requiresGrad: trained.A });
    return savedBytes(down(x, A));
  });
const [xBytes, aBytes] = [ROWS * width * 4, rank * width * 4];
display(
  table(
    [
      {
        "needs a gradient": "x and A",
        saves: "A and x",
        expected: aBytes + xBytes,
        bytes: savedBy({ x: true, A: true }),
      },
      { "needs a gradient": "x alone", saves: "A", expected: aBytes, bytes: savedBy({ x: true, A: false }) },
      { "needs a gradient": "A alone", saves: "x", expected: xBytes, bytes: savedBy({ x: false, A: true }) },
      {
        "needs a gradient": "neither",
        saves: "nothing",
        expected: 0,
        bytes: savedBy({ x: false, A: false }),
      },
    ].map((row) => ({ ...row, equal: row.expected === row.bytes })),
    { title: `Saved for backward: x [${ROWS}, ${width}], A [${rank}, ${width}], 4 bytes a number` },
  ),
);

// %% [markdown]
// ## 7. The anatomy of a LoRA gradient
//
// $h = W_0 x + s B A x$ with $s = \alpha / r$. With tokens as columns and $G = \partial L / \partial h$, the chain rule
// gives $\partial L / \partial A = s\, B^\top G\, x^\top$ and $\partial L / \partial B = s\, G\, (A x)^\top$: the
// gradient of the full weight, $G x^\top$, seen through $B$ and through $A$. Here $s = 2$, $A = (1, -1, 2)$,
// $B = (3, 1)^\top$, and there are two tokens. $W_0$ plays no part in these gradients.

// %% By the formulae and by autograd

const layer = siteOf(new Linear(3, 2, { bias: false, rng: rng.split("layer") }));
const lora = new LoRA(layer, { rank: 1, alpha: 2, rng: rng.split("lora") });
lora.A.assign([1, -1, 2]); // [1, 3]
lora.B.assign([3, 1]); // [2, 1]
const tokens = tensor([
  [1, 2, 3],
  [4, 5, 6],
]); // [2, 3], xᵀ
const G = tensor([
  [1, 2],
  [0, -1],
]); // [2, 2], Gᵀ
layer.project(tokens).add(lora.update(layer, tokens)).mul(G).sum().backward(); // L = Σ G ∘ h, so ∂L/∂h = G

const { A, B, scaling: s } = lora;
const dA = noGrad(() => matmul(matmul(G, B).T, tokens).mul(s)); // s Bᵀ G xᵀ
const dB = noGrad(() => matmul(G.T, matmul(tokens, A.T)).mul(s)); // s G (A x)ᵀ
display(
  table(
    [
      {
        gradient: "∂L/∂A",
        "on paper": "2 · (5, −1) · tokens",
        value: [2, 10, 18],
        formula: dA,
        autograd: A.grad,
      },
      { gradient: "∂L/∂B", "on paper": "2 · G · (5, 11)", value: [10, -2], formula: dB, autograd: B.grad },
    ].map(({ value, formula, autograd, ...row }) => ({
      ...row,
      value: value.join(", "),
      formula: formula.toArray().join(", "),
      autograd: autograd?.toArray().join(", "),
      equal: same(value, formula.toArray()) && same(value, autograd?.toArray() ?? []),
    })),
    { title: "The two gradients of a LoRA layer" },
  ),
);

// %% [markdown]
// ## 8. The same product on every device
//
// A device is a set of kernels behind one synchronous call. Here each device that works on this machine computes
// $Y = A B$ for matrices of $100 \times 300$ and $300 \times 50$ random numbers in $[0, 1)$, and the result is compared
// with the same product in float64. An ULP is the distance from one float32 to the next. Devices add in different
// orders, so their last bits differ; those that keep the sum in double precision (JavaScript's numbers are doubles)
// round only once, to half an ULP. In any order the error is at most $K u \sum |a b|$, with $K = 300$ terms and
// $u = 2^{-24}$. A device that does not work reports the reason; none falls back silently, and `kernelCounts` shows
// which kernels ran.

// %% Devices

const [left, right_] = [tensor(rng.uniform(30_000), [100, 300]), tensor(rng.uniform(15_000), [300, 50])];
const exactProduct = withPrecision("float64", () => Float64Array.from(matmul(left, right_).value.data));
const ulp = (value: number): number => 2 ** (Math.floor(Math.log2(Math.abs(value))) - 23);
const devices = listDevices().map(({ name, works, detail, software }) => {
  const answer = detail.replace(`${name}: `, "").replace(/ \(gpu:.*$/, " (see below)");
  if (!works) return { device: name, works, "what answers, or why not": answer };
  const before = kernelCounts();
  const called = performance.now();
  const product = withDevice(name, () => matmul(left, right_).toArray());
  const milliseconds = performance.now() - called;
  const ran = Object.entries(kernelCounts()).filter(([kernel, count]) => count > (before[kernel] ?? 0));
  const errors = Array.from(product, (value, i) => Math.abs(value - exactProduct[i]) / ulp(exactProduct[i]));
  return {
    device: name,
    works,
    "what answers, or why not": software ? `${answer} (no GPU)` : answer,
    "largest error, ULP": Math.max(...errors),
    "mean error, ULP": errors.reduce((sum, error) => sum + error, 0) / errors.length,
    "within K u Σ|ab|": errors.every(
      (error, i) => error * ulp(exactProduct[i]) <= 300 * 2 ** -24 * exactProduct[i],
    ),
    "first call, ms": milliseconds,
    "what ran": ran.map(([kernel]) => kernel).join(", "),
  };
});
display(
  table(devices, {
    title: "One product, many devices",
    note: "The first call includes compiling the kernel.",
    volatile: true,
  }),
);

// %% [markdown]
// ## 9. Training
//
// A module is an object with parameters in its fields and a `forward` method. `fit` runs forward, backward and the
// optimizer's step. Here sixteen hidden units learn $\sin 3x$ from 64 points.

// %% A network of 49 parameters

class Tiny extends Module {
  hidden = new Linear(1, 16, { rng: rng.split("hidden") });
  out = new Linear(16, 1, { rng: rng.split("out") });

  forward(x: Tensor): Tensor {
    return this.out.forward(this.hidden.forward(x).tanh());
  }
}
const tiny = new Tiny();
display(tiny);
const inputs = Array.from({ length: 64 }, (_, i) => -2 + (4 * i) / 63);
const [xs, ys] = [
  tensor(inputs, [64, 1]),
  tensor(
    inputs.map((value) => Math.sin(3 * value)),
    [64, 1],
  ),
];
const { losses } = fit(tiny, {
  steps: settings.steps,
  optimizer: new AdamW(tiny.parameters(), { lr: 0.03, weightDecay: 0 }),
  batch: () => xs,
  loss: (batch) => tiny.forward(batch).sub(ys).square().mean(),
  progress: false,
});
const every = Math.ceil(losses.length / 100);
display(
  linePlot(
    losses.flatMap((loss, step) => (step % every === 0 ? [{ step, loss }] : [])),
    {
      x: "step",
      y: "loss",
      yScale: "log",
      title: "Mean squared error",
      plot: { height: 260, y: { type: "log", label: "loss", grid: true, tickFormat: ".0e" } },
    },
  ),
);
const learned = noGrad(() => tiny.forward(xs).toArray());
display(
  plot(
    {
      height: 260,
      x: { label: "x" },
      y: { label: null, grid: true },
      marks: [
        Plot.line(inputs, { x: (v: number) => v, y: (v: number) => Math.sin(3 * v), stroke: "#4269d0" }),
        Plot.dot(inputs, { x: (v: number) => v, y: (_: number, i: number) => learned[i], stroke: "#ff725c" }),
      ],
    },
    {
      title: "sin 3x (line) and what was learned (circles)",
      text: `mean squared error ${losses[0].toPrecision(2)} → ${losses[losses.length - 1].toPrecision(2)}`,
    },
  ),
);

// %% [markdown]
// ## 10. Memory by category
//
// Every array is registered under a category when it is made. Below is one step of AdamW on an MLP, trained in full and
// with LoRA. Adapters are small, and so are their gradients (4 bytes for each trained parameter) and the optimizer's
// two moments (8 bytes). Activations are another matter: gradients still pass through every layer, and LoRA saves
// additional ones of its own. `scope` releases everything that its function made and did not return, so memory does not
// grow in a loop (`measureMemory` is a scope, too).

// %% One step, trained in full and with LoRA

const stepOf = (kind: "full" | "lora") => {
  const before = liveBytes();
  const mlp = new MLP(width, 4 * width, { rng: rng.split("mlp") });
  const model = kind === "full" ? mlp : inject(mlp, { rank, target: "all-linear", seed: settings.seed });
  const optimizer = new AdamW(
    model.parameters().filter(({ requiresGrad }) => requiresGrad),
    { lr: 1e-3 },
  );
  const batch = tensor(rng.normal(ROWS * width), [ROWS, width]);
  const { peak, live } = measureMemory(() => {
    mlp.forward(batch).square().mean().backward();
    optimizer.step();
  });
  const trained = optimizer.parameters().reduce((sum, { size }) => sum + size, 0);
  const own = (category: "weights" | "adapters" | "gradients" | "optimizer"): number =>
    peak[category] - before[category];
  const row = {
    trains: kind === "full" ? "everything" : `LoRA, r = ${rank}`,
    parameters: trained,
    weights: own("weights"),
    adapters: own("adapters"),
    gradients: own("gradients"),
    optimizer: own("optimizer"),
    "4 and 8 bytes each": own("gradients") === 4 * trained && own("optimizer") === 8 * trained,
    "saved, peak": peak.saved,
    "temporary, peak": peak.workspace,
    "temporary, after": live.workspace + live.saved,
  };
  const states = optimizer
    .parameters()
    .flatMap((parameter) => Object.values(optimizer.state(parameter).arrays));
  for (const { storage } of states) storage.release();
  for (const storage of model.storages()) storage.release();
  return row;
};
display(table([stepOf("full"), stepOf("lora")], { title: "Bytes in one step" }));

// %% [markdown]
// ## 11. Merging, exactly
//
// $(W_0 + s B A)\,x$ and $W_0 x + s B (A x)$ are equal on paper; in floating point they agree up to rounding. If all
// numbers are small multiples of a power of two (dyadic rationals), every product and sum fits into float32's 24 bits.
// Then nothing is rounded, and the two agree to the last bit. So with real weights the difference *is* rounding, not a
// mistake in the method.

// %% Adapted and merged, with dyadic and with real numbers

class One extends Module {
  layer = new Linear(16, 16, { rng: rng.split("one") });

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}
const merging = (numbers: string, draw: (count: number) => ArrayLike<number>) => {
  const one = new One();
  const model = inject(one, { rank: 4, alpha: 8, target: "layer", seed: settings.seed });
  for (const parameter of model.parameters()) parameter.assign(draw(parameter.size)); // W0, b, A and B
  const x = tensor(draw(8 * 16), [8, 16]);
  const adapted = noGrad(() => model.forward(x).toArray());
  model.merge();
  const merged = noGrad(() => model.forward(x).toArray());
  const differences = Array.from(adapted, (y, i) => Math.abs(y - merged[i]));
  return {
    "numbers in W0, b, A, B, x": numbers,
    outputs: differences.length,
    "not equal to the last bit": differences.filter((difference) => difference > 0).length,
    "largest difference": Math.max(...differences).toExponential(1),
    "largest output": Math.max(...adapted.map(Math.abs)),
  };
};
display(
  table(
    [
      merging("multiples of 1/8 from −1 to 1", (n) =>
        Array.from({ length: n }, () => (rng.integer(17) - 8) / 8),
      ),
      merging("normal, mean 0, deviation 1", (n) => rng.normal(n)),
    ],
    { title: "Adapted against merged" },
  ),
);

// %% [markdown]
// ## 12. Files
//
// A safetensors file consists of eight bytes that give the header's length, a JSON header, and the numbers. Every tool
// of the field reads it. The tiny model is saved and loaded again, and is the same to the last bit. (`saveAdapter`
// writes an adapter as PEFT does.)

// %% Saved, looked at, loaded

const folder = makeTemporaryFolder("tour");
const path = `${folder}/tiny.safetensors`;
saveSafetensors(
  path,
  Array.from(tiny.namedParameters(), ([name, value]) => [
    name,
    tensorBytes("F32", value.shape, value.toArray()),
  ]),
);
const bytes = readFile(path);
const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
display(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));

const copy = new Tiny();
const file = loadSafetensors(path);
copy.loadStateDict(
  new Map(Array.from(file.tensors, ([name, t]): [string, NDArray] => [name, array(t.floats(), t.shape)])),
);
removeFile(folder);
const parameters = tiny.parameters().reduce((sum, { size }) => sum + size, 0);
display(
  table([
    {
      bytes: bytes.length,
      "8 + header + 4 a parameter": 8 + headerLength + 4 * parameters,
      "loaded model computes the same bits": same(
        learned,
        noGrad(() => copy.forward(xs).toArray()),
      ),
    },
  ]),
);

// %% [markdown]
// ## Where to go next
//
// `notebooks/lora.ts` reads the LoRA paper beside the code, `notebooks/lora-family.ts` compares LoRA's descendants on
// one base model, and `notebooks/qlora.ts` stores the base model in four bits.

// %% What ran

display(
  table(
    [
      { what: "device", value: `${currentDevice().name}: ${currentDevice().adapter}` },
      { what: "Node", value: process.version },
      { what: "seed", value: String(settings.seed) },
      { what: "seconds", value: ((performance.now() - started) / 1000).toFixed(1) },
    ],
    { title: "What ran", volatile: true },
  ),
);
