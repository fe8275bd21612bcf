/**
 * @file Numbers worked out elsewhere (mpmath 1.3, 60 digits, from the definitions; derivatives by its own differences):
 * what the formulas here must give, so that a wrong constant is not right by its own derivative.
 */

import * as ag from "lowrank/autograd";
import { random, withDevice, withPrecision } from "lowrank/core";
import { Rotary } from "lowrank/nn";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const numbers = suite("numbers");

const near = (got: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(
    Math.abs(got - expected) <= tolerance * (1 + Math.abs(expected)),
    `${what}: ${got} is not ${expected}`,
  );

/** x, f(x), f′(x), f″(x). */
const functions: Record<string, [number, number, number, number][]> = {
  gelu: [
    [-3, -0.00404969409489028, -0.0119456472041839, -0.0310229388835661],
    [-0.75, -0.169970514282651, 0.000774278260764896, 0.432885058722531],
    [0.5, 0.345731230637007, 0.867495124656163, 0.616114321837524],
    [1, 0.841344746068543, 1.08331547058769, 0.241970724519143],
    [2.5, 2.48447583668556, 1.03761108590815, -0.0744952770976663],
  ],
  geluTanh: [
    [-3, -0.00363739208177302, -0.0115841666309697, -0.0317676588860747],
    [-0.75, -0.17003944483438, 0.0010617438625857, 0.432307490271474],
    [0.5, 0.345714009825144, 0.867369903534642, 0.615506895115985],
    [1, 0.841191990608277, 1.08296408384578, 0.242148197983773],
    [2.5, 2.48491573391, 1.03795157621267, -0.0762453920736129],
  ],
  silu: [
    [-3, -0.1422776195327, -0.0881041060151696, -0.0323214045210062],
    [-0.75, -0.240615975618455, 0.157400055503247, 0.37722677521502],
    [0.5, 0.311229665600927, 0.739961187302652, 0.441229026977029],
    [1, 0.731058578630005, 0.927670511871487, 0.302366118810015],
    [2.5, 2.31035454994689, 1.09940111134153, -0.00846215652336886],
  ],
  softplus: [
    [-3, 0.0485873515737421, 0.0474258731775668, 0.0451766597309121],
    [-0.75, 0.3868710061149, 0.320821300824607, 0.217894993761814],
    [0.5, 0.974076984180107, 0.622459331201855, 0.235003712201594],
    [1, 1.31326168751822, 0.731058578630005, 0.196611933241482],
    [2.5, 2.57888973429255, 0.924141819978756, 0.0701037165451082],
  ],
  erf: [
    [-3, -0.999977909503001, 0.000139253051946748, 0.000835518311680487],
    [-0.75, -0.711155633653515, 0.642931069195207, 0.964396603792811],
    [0.5, 0.520499877813047, 0.878782578935445, -0.878782578935445],
    [1, 0.842700792949715, 0.415107497420595, -0.830214994841189],
    [2.5, 0.999593047982555, 0.00217828423035271, -0.0108914211517635],
  ],
  tanh: [
    [-3, -0.99505475368673, 0.00986603716544019, 0.0196344943630424],
    [-0.75, -0.635148952387287, 0.596585808281331, 0.757841702278021],
    [0.5, 0.46211715726001, 0.786447732965927, -0.726861981383587],
    [1, 0.761594155955765, 0.419974341614026, -0.639700008449224],
    [2.5, 0.98661429815143, 0.0265922266831606, -0.0524725421305805],
  ],
};
const named: Record<string, (x: ag.Tensor) => ag.Tensor> = {
  gelu: ag.gelu,
  geluTanh: ag.geluTanh,
  silu: ag.silu,
  softplus: ag.softplus,
  erf: ag.erf,
  tanh: ag.tanh,
};

for (const [name, rows] of Object.entries(functions)) {
  numbers(`${name}, its derivative and second derivative`, () => {
    const f = named[name];
    const check = (tolerance: number): void => {
      for (const [x, ...expected] of rows) {
        const first = ag.grad((t) => f(t).sum());
        const second = ag.grad((t) => first(t).sum());
        const at = ag.tensor([x]);
        [f, first, second].forEach((g, order) => {
          near(g(at).value.data[0], expected[order], tolerance, `${name}, derivative ${order} at ${x}`);
        });
      }
    };
    withPrecision("float64", () => check(1e-14));
    for (const device of ["reference", "cpu"] as const) withDevice(device, () => check(1e-6)); // 16 roundings of 2⁻²⁴
  });
}

const logits = [
  [1, 2, 3],
  [0.5, -1, 0],
  [2, 2, -2],
];
const losses: [smoothing: number, loss: number, gradient: number[]][] = [
  [
    0,
    0.554934642941738,
    [
      ...[0.0450152865851902, 0.122364235527399, -0.167379522112589],
      ...[0, 0, 0],
      ...[-0.252268678711078, 0.247731321288922, 0.00453735742215687],
    ],
  ],
  [
    0.1,
    0.671601309608404,
    [
      ...[0.0283486199185236, 0.105697568860732, -0.134046188779256],
      ...[0, 0, 0],
      ...[-0.218935345377745, 0.231064654622255, -0.0121293092445098],
    ],
  ],
];

numbers("cross-entropy with an ignored label, smoothed or not, whole and in chunks", () => {
  const identity: ag.Head = { outFeatures: 3, forward: (x) => x };
  for (const [labelSmoothing, expected, gradient] of losses) {
    for (const chunkBytes of [1e6, 24, 12]) {
      withPrecision("float64", () => {
        const x = ag.tensor(logits, { requiresGrad: true });
        const loss = ag.linearCrossEntropy(x, identity, [2, -100, 0], { labelSmoothing, chunkBytes });
        loss.backward();
        near(loss.value.data[0], expected, 1e-14, "loss");
        gradient.forEach((g, i) => {
          near((x.grad as ag.Tensor).value.data[i], g, 1e-14, `gradient ${i}`);
        });
      });
    }
  }
});

numbers("cross-entropy's Hessian of a row is diag(p) − p pᵀ, whatever the smoothing", () => {
  for (const labelSmoothing of [0, 0.1]) {
    withPrecision("float64", () => {
      const H = ag.hessian((x) => ag.crossEntropy(x, [2], { labelSmoothing }), ag.tensor([logits[0]])).value
        .data;
      const p = [0.0900305731703805, 0.244728471054798, 0.665240955774822]; // softmax of 1, 2, 3
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < 3; j++)
          near(H[3 * i + j], (i === j ? p[i] : 0) - p[i] * p[j], 1e-14, `${i}, ${j}`);
      }
    });
  }
});

numbers("rotary: (1, 2, 3, 4) at position 3, angles 3 and 0.03, pairs (0, 2) and (1, 3)", () => {
  const rotary = new Rotary(4);
  const turned = rotary.turn(ag.tensor([1, 2, 3, 4], [1, 1, 1, 4]), rotary.angles([3]));
  const expected = [-1.41335252078005, 1.87911806668799, -2.82885748174147, 4.05819113540094];
  expected.forEach((value, i) => {
    near(turned.toArray()[i], value, 1e-6, `coordinate ${i}`);
  });
});

numbers(
  "variance: of the values themselves by default, as NumPy; of a sample with correction 1, as PyTorch",
  () => {
    const x = ag.tensor([1, 2, 4, 9]);
    assert.is(x.variance().item(), 9.5);
    near(x.variance(0, { correction: 1 }).item(), 38 / 3, 1e-6, "correction 1");
  },
);

numbers("uniform numbers stay at or below high, however near to low it is", () => {
  for (const [low, high] of [
    [1, 1 + 2 ** -23],
    [1, 1 + 2 ** -24 + 2 ** -30],
    [-1, -1 + 2 ** -25],
    [0.1, 0.1 + 1e-8],
    [0, 1e-45],
    [-1e-46, 0],
  ]) {
    const most = random(1)
      .uniform(2000, low, high)
      .reduce((a, b) => Math.max(a, b));
    assert.ok(most <= high, `${most} is above ${high}`);
  }
});

numbers.run();
