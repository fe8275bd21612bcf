// %% [markdown]
// # From a tensor to LoRA in ten minutes
//
// This page starts with two small tables of numbers and ends with a language model that has learned a new style. On the
// way it builds everything that LoRA needs: a tensor, its gradient, a step downhill, a change of low rank, and its merge.
//
// Each idea has numbers that you can check on paper. Wherever a table has a column *on paper*, compute it yourself
// before you read on; the column *equal* says whether the library agrees, to the last bit. You need to know what a
// matrix product and a derivative are, and nothing of machine learning.

// %% What was found

import {
  checkGradients,
  matmul,
  noGrad,
  OUTPUT,
  record,
  savedBytes,
  type Tensor,
  tensor,
} from "lowrank/autograd";
import { random, scope, unary } from "lowrank/core";
import { inject, LoRA, siteOf } from "lowrank/lora";
import { AdamW, Linear, Module, nextTokenLoss } from "lowrank/nn";
import * as tour from "./papers/tour/index.ts";
import * as page from "./support/index.ts";

const { display, md, table } = page;
const found = page.opening();

// %% Settings

const settings = page.defineSettings({
  rank: { quick: 4, about: "r of the language model's adapters", min: 1 },
  steps: { quick: 100, full: 300, about: "steps of its training", min: 1 },
  lr: { quick: 5e-3, about: "its learning rate" },
  width: { quick: 64, about: "width of the layers whose bytes are counted", min: 1 },
  seed: { quick: 0, about: "of all random numbers" },
});
const rng = random(settings.seed);
const same = (a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean =>
  String(Array.from(a)) === String(Array.from(b));

// %% [markdown]
// ## 1. A tensor
//
// A **tensor** is numbers with a shape: $[2, 3]$ is two rows of three. A **linear layer** keeps its weight $W$ as
// `[out, in]`. Its inputs are rows, one for each example, and its output is $Y = X W^\top$: every row of $X$ multiplied
// with every row of $W$. Nearly all the numbers of a language model are weights of such layers.

// %% Two inputs through a layer from three numbers to two

const X = tensor([
  [1, 2, 3],
  [4, 5, 6],
]); // [2, 3]
const W = tensor([
  [1, 0, -1],
  [2, 1, 0],
]); // [2, 3]
const onPaper = [1 - 3, 2 + 2, 4 - 6, 8 + 5];
const Y = X.matmul(W.T);
const shownAs = { X: String(X), W: String(W), "X Wᵀ": String(Y) };
display(
  table([{ ...shownAs, "X Wᵀ on paper": "1 − 3, 2 + 2, 4 − 6, 8 + 5", equal: same(onPaper, Y.toArray()) }]),
);

// %% [markdown]
// ## 2. A gradient
//
// Training needs to know how the error changes when a weight changes: the **gradient**. Take one neuron that shall
// answer $y = 4$ to the input $x = (1, 2)$. Its weights are $w = (3, -1)$, and its loss is the squared error
// $L(w) = (w \cdot x - y)^2$. By hand, $\partial L / \partial w = 2\,(w \cdot x - y)\,x$. The neuron answers 1, so the
// error is $-3$, the loss is 9, and the gradient is $-6x = (-6, -12)$.
//
// The library finds it in two passes. While it computes the loss, it records each op. `backward` then walks the record
// in reverse, and multiplies by the derivative of each op on the way: the chain rule.

// %% The loss, recorded op by op

const x = tensor([1, 2]);
const w = tensor([3, -1], { requiresGrad: true });
const products = w.mul(x);
const answer = products.sum();
const error = answer.sub(4);
const loss = error.square();
const graph = new tour.RecordedGraph({ w, "w ∘ x": products, "w · x": answer, "w · x − y": error, L: loss });
loss.backward();
display(
  graph.picture({
    title: "What the library recorded for L = (w · x − y)²",
    caption:
      "Read along the blue arrows for the values, and back along the orange ones for the gradients: 1 at the loss, times 2 · (−3) at the square, unchanged by the subtraction, copied to both terms of the sum, times x at the product. x and y need no gradient and are not in the graph.",
  }),
);

// %% By hand and by backward

const byHand = [2 * (3 - 2 - 4) * 1, 2 * (3 - 2 - 4) * 2];
const byBackward = w.grad?.toArray() ?? [];
display(
  table(
    [0, 1].map((i) => ({
      derivative: `∂L/∂w_${i + 1}`,
      "on paper": byHand[i],
      "by backward": byBackward[i],
      equal: byHand[i] === byBackward[i],
    })),
  ),
);

// %% [markdown]
// ## 3. How do we know that a gradient is right?
//
// A derivative is a limit of differences: $\frac{f(x + h) - f(x - h)}{2h}$ equals it up to $O(h^2)$. `checkGradients`
// compares the two, in double precision (in float32 the subtraction would leave four digits), for every element of every input. Try it on an op of your own. For
// $y = \tanh x$ the rule is $\bar x = \bar y \circ (1 - y^2)$, where $\bar x$ stands for $\partial L / \partial x$.
// What happens if someone writes $1 - x^2$ by mistake?

// %% A right rule and a wrong one

const right = (x: Tensor): Tensor =>
  record("tanh", unary("tanh", x.value), [
    { input: x, saves: [OUTPUT], vjp: (dY, y) => dY.mul(y.square().neg().add(1)) }, // x̄ = ȳ ∘ (1 − y²)
  ]);
const wrong = (x: Tensor): Tensor =>
  record("tanh", unary("tanh", x.value), [
    { input: x, saves: [x], vjp: (dY, x) => dY.mul(x.square().neg().add(1)) }, // the mistake: x for y
  ]);
const said = (op: (x: Tensor) => Tensor): string => {
  try {
    return `passes, largest difference ${checkGradients(op, [tensor([0.5, -1])]).toExponential(1)}`;
  } catch (error) {
    return (error as Error).message;
  }
};
display(
  table([
    { rule: "1 − y²", "checkGradients says": said(right) },
    { rule: "1 − x²", "checkGradients says": said(wrong) },
  ]),
);

// %% [markdown]
// ## 4. A step downhill
//
// To learn is to walk against the gradient: $w \leftarrow w - \eta\, \partial L / \partial w$, where $\eta$ is the
// **learning rate**. For our neuron one step multiplies the error by $1 - 2 \eta \lVert x \rVert^2$. With $\eta = 0.05$
// and $\lVert x \rVert^2 = 5$ that is one half, so every step divides the loss by four. What would $\eta = 0.25$ do?

// %% Four steps

let now = tensor([3, -1], { requiresGrad: true });
const walk = [0, 1, 2, 3].map((step) => {
  const loss = now.mul(x).sum().sub(4).square();
  loss.backward();
  const row = {
    step,
    w: now.toArray().join(", "),
    loss: loss.item(),
    "on paper": `9 / 4^${step} = ${9 / 4 ** step}`,
  };
  now = tensor(noGrad(() => now.sub(now.grad!.mul(0.05))).toArray(), { requiresGrad: true }); // w − η ∂L/∂w
  return { ...row, equal: Math.abs(row.loss - 9 / 4 ** step) < 1e-5 };
});
display(
  table(walk, {
    note: "0.05 is no float32 number, so here equal means to five decimals.",
    columns: ["step", "loss", "on paper", "equal"],
  }),
);

// %% [markdown]
// ## 5. A change of low rank
//
// A trained weight $W_0$ shall change by $\Delta W$. Full fine-tuning trains all of $\Delta W$, as many numbers as $W_0$
// has. **LoRA** freezes $W_0$ and writes the change as a product of two thin matrices:
// $$h = W_0 x + s\, B A x, \qquad A\,[r, \text{in}],\; B\,[\text{out}, r],\; s = \alpha / r.$$
// Every row of $BA$ is a mixture of the $r$ rows of $A$: its **rank** is at most $r$. $A$ starts random and $B$ at zero,
// so the change is zero at the start and the adapted layer is the old one.

// %% The change by hand, in plain tensors

const [d, r, s] = [16, 2, 2];
const W0 = tensor(rng.normal(d * d), [d, d]);
const A0 = tensor(rng.normal(r * d), [r, d]);
const B0 = tensor(new Float32Array(d * r), [d, r]); // zeros
const B1 = tensor(rng.normal(d * r), [d, r]); // as if trained
const input = tensor(rng.normal(d), [1, d]);
const adapted = (B: Tensor): Tensor => input.matmul(W0.T).add(input.matmul(A0.T).matmul(B.T).mul(s)); // W0 x + s B (A x)
display(
  tour.matricesPicture(
    [
      { name: "B", matrix: B1, sign: "·" },
      { name: "A", matrix: A0, sign: "=" },
      { name: "B A", matrix: matmul(B1, A0) },
    ],
    {
      title: `${2 * d * r} numbers make a change of ${d * d}`,
      caption: `Blue is above zero, orange below. Each row of BA is a mixture of the ${r} rows of A, so its columns rise and fall together. For a layer of 4,096 × 4,096 and r = 8 it is ${2 * 4096 * 8} numbers instead of ${4096 ** 2}: 256 times fewer.`,
    },
  ),
);
// %% At the start

display(
  md`With $B = 0$ the adapted layer gives the same output as $W_0$ alone, to the last bit: **${same(adapted(B0).toArray(), input.matmul(W0.T).toArray()) ? "yes" : "no"}**.`,
);

// %% [markdown]
// ## 6. The two gradients of LoRA
//
// Which way do $A$ and $B$ move? Write $G = \partial L / \partial h$ for the gradient that arrives at the layer, with one
// column for each token. The chain rule gives $\partial L / \partial A = s\, B^\top G\, x^\top$ and
// $\partial L / \partial B = s\, G\, (A x)^\top$. Full fine-tuning would use $G x^\top$; LoRA sees it through $B$ and
// through $A$. At the start $B = 0$, so $A$ does not move in the first step: $B$ moves first.
//
// Check it on paper with $s = 2$, $A = (1, -1, 2)$, $B = (3, 1)^\top$ and two tokens.

// %% On paper, by the formulae, and by autograd

const layer = siteOf(new Linear(3, 2, { bias: false, rng: rng.split("layer") }));
const lora = new LoRA(layer, { rank: 1, alpha: 2, rng: rng.split("lora") });
lora.A.assign([1, -1, 2]); // [1, 3]
lora.B.assign([3, 1]); // [2, 1]
const G = tensor([
  [1, 2],
  [0, -1],
]); // [2, 2], Gᵀ: a row for each token
layer.project(X).add(lora.update(layer, X)).mul(G).sum().backward(); // L = Σ G ∘ h, so ∂L/∂h = G
const dA = noGrad(() => matmul(matmul(G, lora.B).T, X).mul(lora.scaling)); // s Bᵀ G xᵀ
const dB = noGrad(() => matmul(G.T, matmul(X, lora.A.T)).mul(lora.scaling)); // s G (A x)ᵀ

// %% Compared

const compared = [
  { gradient: "∂L/∂A", how: "2 · (5, −1) · tokens", paper: [2, 10, 18], formula: dA, autograd: lora.A.grad },
  { gradient: "∂L/∂B", how: "2 · G · (5, 11)", paper: [10, -2], formula: dB, autograd: lora.B.grad },
].map(({ paper, formula, autograd, how, gradient }) => {
  const texts = [paper, formula.toArray(), autograd?.toArray() ?? []].map((values) =>
    Array.from(values).join(", "),
  );
  return {
    gradient,
    how,
    "on paper": texts[0],
    formula: texts[1],
    autograd: texts[2],
    equal: new Set(texts).size === 1,
  };
});
display(table(compared));

// %% [markdown]
// The library's layer is as short. These are its own lines:

// %% The library's LoRA

display(page.libraryLines("lora/lora.ts", "override delta(W0", "return W0.up("));

// %% [markdown]
// ## 7. Merging
//
// After training, $W_0 + s B A$ can be stored in place of $W_0$: the adapted model is then as fast as the old one. On
// paper $(W_0 + s B A)\,x$ and $W_0 x + s B (A x)$ are equal. In floating point they agree up to rounding. How can one
// tell rounding from a mistake? With small multiples of $\frac18$ nothing is ever rounded: there the two must agree to
// the last bit, and they do.

// %% Adapted against merged, with numbers that need no rounding and with real ones

class One extends Module {
  layer = new Linear(16, 16, { rng: rng.split("one") });
  forward = (x: Tensor): Tensor => this.layer.forward(x);
}
const merging = (numbers: string, draw: (count: number) => ArrayLike<number>) => {
  const model = inject(new One(), { rank: 4, alpha: 8, target: "layer", seed: settings.seed });
  for (const parameter of model.parameters()) parameter.assign(draw(parameter.size)); // W0, b, A and B
  const x = tensor(draw(8 * 16), [8, 16]);
  const before = noGrad(() => model.forward(x).toArray());
  model.merge();
  const merged = noGrad(() => model.forward(x).toArray());
  const differences = Array.from(before, (y, i) => Math.abs(y - merged[i]));
  return {
    "numbers in W_0, A, B, x": numbers,
    outputs: differences.length,
    "not equal to the last bit": differences.filter((one) => one > 0).length,
    "largest difference": Math.max(...differences).toExponential(0),
  };
};
const eighths = (n: number): number[] => Array.from({ length: n }, () => (rng.integer(17) - 8) / 8);
display(table([merging("multiples of 1/8 from −1 to 1", eighths), merging("normal", (n) => rng.normal(n))]));

// %% [markdown]
// ## 8. A language model learns a style
//
// Now the whole thing on a model that writes. The base is a small GPT that turns facts about a restaurant into a
// sentence. It was trained on 54 ways to say the same thing, and chooses among them. One house wants one way: its style
// follows four fixed rules (what lies at the river begins with *by the river*). Can LoRA teach that to the base?
//
// Read the loop from top to bottom, it is all there is: inject adapters, draw a batch, compute the loss, go back, step.

// %% Three examples of the task

const shown = tour.restaurants(64); // held out: none of them is trained on
display(
  table(
    shown.slice(0, 3).map(({ prompt, completion }) => ({
      "the facts": prompt,
      "the sentence of the house": completion.trim(),
    })),
  ),
);

// %% The training loop

const model = page.committedBase("restaurants-a").copy();
const before = tour.write(model, shown);

const student = inject(model, {
  rank: settings.rank,
  alpha: 2 * settings.rank,
  target: "all-linear",
  seed: settings.seed,
});
const trained = student.parameters().filter(({ requiresGrad }) => requiresGrad);
const optimizer = new AdamW(trained, { lr: settings.lr, weightDecay: 0 });
const house = tour.taskDomain(tour.houseStyle, { time: 79, test: 64, random: random(11) });
const draws = random(settings.seed).split("batches");
const losses: number[] = [];
for (let step = 0; step < settings.steps; step++)
  scope(() => {
    const { ids, labels } = house.batch(8, draws);
    const loss = nextTokenLoss(model, ids, labels);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    losses.push(loss.item());
  });
// %% Sentences before and after

const after = tour.write(model, shown);
student.merge();
const merged = tour.write(model, shown);
display(
  page.samples(
    [0, 1, 2, 3, 4].map((i) => ({
      facts: shown[i].prompt,
      "the base writes": before[i],
      "after LoRA": after[i],
    })),
    { title: "What the model writes about restaurants that it was not trained on" },
  ),
);
// %% How many are in the style, and is it the same after merging?

const counted = { before: tour.inStyle(before, shown), after: tour.inStyle(after, shown) };
const sizes = (list: readonly Tensor[]): number => list.reduce((sum, { size }) => sum + size, 0);
const adapters = sizes(trained);
const numbers = sizes(model.parameters()) - adapters;
display(
  table(
    [
      {
        question: `sentences of the house's style, of ${shown.length}, before`,
        answer: String(counted.before),
      },
      { question: "after training", answer: String(counted.after) },
      { question: "after merging, the same sentences", answer: same(after, merged) ? "all" : "not all" },
      { question: "numbers of the model", answer: page.formatNumber(numbers) },
      { question: "numbers that LoRA trained beside them", answer: page.formatNumber(adapters) },
    ],
    { volatile: ["answer"] },
  ),
);

// %% The loss while it learns

const every = Math.max(1, Math.ceil(losses.length / 50));
const smooth = (i: number): number => {
  const window = losses.slice(Math.max(0, i - every), i + every + 1);
  return window.reduce((sum, value) => sum + value, 0) / window.length;
};
const learning = page.linePlot(
  losses.flatMap((_, i) => (i % every === 0 ? [{ step: i, loss: smooth(i) }] : [])),
  {
    x: "step",
    y: "loss",
    yScale: "log",
    height: 320,
    title: "A language model learns the style of a house",
    yLabel: "loss, nats a character",
    caption: `The loss falls from ${losses[0].toPrecision(2)}, what it costs to choose freely among 54 styles, to ${smooth(losses.length - 1).toPrecision(2)}: the house leaves nothing to choose.`,
  },
);
display(learning);

// %% [markdown]
// ## 9. What it costs
//
// Training needs memory for more than the weights: a gradient for each trained number (4 bytes), two moments of AdamW
// (8 bytes), and the values that ops save until `backward`. LoRA trains few numbers, so the first two nearly vanish. The
// saved values do not: gradients still pass through every layer.

// %% The bytes of one step, in full and with LoRA

const { width, rank } = settings;
const cost = (kind: "full" | "lora") => tour.bytesOfStep(kind, { width, rank, rows: 128, rng });
display(
  table([cost("full"), cost("lora")], {
    note: "An MLP of two layers, 128 rows. Equal: 4 and 8 bytes for each trained number.",
  }),
);

// %% [markdown]
// Which values are saved? Those that the rules of the trained inputs need. For LoRA's first product $z = A x$, the
// gradient of $A$ needs $x$, which is wide; the gradient of $x$ needs only $A$. If $A$ is frozen, $x$ need not be kept.
// That is the idea of LoRA-FA, which has a page of its own.

// %% Bytes saved by z = x Aᵀ

const down = (x: Tensor, A: Tensor): Tensor =>
  record("down", matmul(x.detach(), A.detach().T).value, [
    { input: x, saves: [A], vjp: (dZ, A) => matmul(dZ, A) }, //    x̄ = z̄ A
    { input: A, saves: [x], vjp: (dZ, x) => matmul(dZ.T, x) }, //  Ā = z̄ᵀ x
  ]);
const savedBy = (needs: { x: boolean; A: boolean }): number =>
  scope(() => {
    const x = tensor(rng.normal(128 * width), [128, width], { requiresGrad: needs.x });
    const A = tensor(rng.normal(rank * width), [rank, width], { requiresGrad: needs.A });
    return savedBytes(down(x, A));
  });
const [xBytes, aBytes] = [128 * width * 4, rank * width * 4];
const cases = [
  {
    "needs a gradient": "x and A",
    saves: "A and x",
    "on paper": aBytes + xBytes,
    bytes: savedBy({ x: true, A: true }),
  },
  { "needs a gradient": "x alone", saves: "A", "on paper": aBytes, bytes: savedBy({ x: true, A: false }) },
  { "needs a gradient": "A alone", saves: "x", "on paper": xBytes, bytes: savedBy({ x: false, A: true }) },
];
display(table(cases.map((row) => ({ ...row, equal: row["on paper"] === row.bytes }))));

// %% [markdown]
// ## 10. The same numbers on every device
//
// A device is a set of kernels for the same ops: plain loops, WebAssembly, the GPU through gpu.js or WebGPU. They add in
// different orders, so their last bits differ, by no more than $K u \sum |ab|$ for sums of $K$ products, with
// $u = 2^{-24}$. None falls back silently to another.

// %% Devices

display(
  page.fold(
    "Which devices work on this machine, and how far each is from the exact product",
    tour.devicesTable(rng),
  ),
);

// %% [markdown]
// ## Change this and run it again
//
// - `npm start -- tour --set rank=1`: one row in $A$. Is it enough for the four rules of the house? Look at the sentences.
// - `npm start -- tour --set steps=20`: stop early. Which rules has the model learned first?
// - `npm start -- tour --set lr=0.1`: too large a step. What does the loss do, and what does the model write?
//
// The source of this page is `notebooks/tour.ts`, an ordinary TypeScript file: change any line. VS Code and Jupyter open
// `tour.ipynb` as it is; to execute it there, install the Deno kernel (`npm install --global deno`,
// `deno jupyter --install`) and build the library once (`npm run build`).
//
// ## Where to go next
//
// - **How large must $r$ be, which matrices, and is it as good as full fine-tuning?** The page *LoRA* (`lora`).
// - **A base in four bits:** *QLoRA* (`qlora`).
// - **The variants:** *AdaLoRA*, *LoRA+*, *DoRA*, *LoRA-FA*, and which of them when (`compare`).
// - **What is said of LoRA, and whether it is true:** `claims`.

// %% Settings of this run, and what was found

display(page.fold("The settings of this run", page.settingsTable(settings)));
const [all, started] = [shown.length, counted.before];
const agrees = same(byHand, byBackward) && compared.every(({ equal }) => equal);
const success = counted.after > 0.9 * all ? "nearly all" : counted.after > 0.5 * all ? "most" : "some";
found.show(
  md`
  - **A gradient is a walk back through a record.** The library records each op; \`backward\` multiplies by each derivative
    on the way. It ${agrees ? "agrees" : "does not agree"} with the numbers on paper to the last bit (parts 2 and 6 above).
  - **LoRA is two thin matrices.** $h = W_0x + s\\,BAx$. With $B = 0$ nothing changes at the start, and after training $BA$
    can be added to $W_0$: the merged model writes ${same(after, merged) ? "exactly the same sentences" : "almost the same sentences"}.
  - **It is enough to change how a model writes.** With ${page.formatNumber(adapters)} trained numbers beside ${page.formatNumber(numbers)} and
    ${settings.steps} steps, the model writes ${success} of ${all} unseen restaurants in the style of the house to the last
    character (**${counted.after}**; before: ${started}).
  `,
  learning,
);
