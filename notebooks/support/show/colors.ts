/**
 * @file The colours of the plots: one for each method and each number format, the same on every page. They can be told
 * apart with the common forms of colour blindness and read on white and on black. Several series of one method ("LoRA,
 * r = 1", "LoRA, r = 8") are shades of its colour, from light to dark.
 */

const COLORS: Readonly<Record<string, string>> = {
  "full fine-tuning": "#8a8f98",
  base: "#8a8f98",
  before: "#a9afb8",
  LoRA: "#4269d0",
  rsLoRA: "#6cc5b0",
  "LoRA+": "#d99a00",
  DoRA: "#ff725c",
  AdaLoRA: "#3ca951",
  "LoRA-FA": "#a463f2",
  PiSSA: "#2a9fd6",
  VeRA: "#c2579c",
  BitFit: "#9c6b4e",
  adapters: "#ff8ab7",
  prefix: "#97bbf5",
  float32: "#8a8f98",
  bfloat16: "#b0a18b",
  NF4: "#0f9ba8",
  NF3: "#4fa3d8",
  NF2: "#8f7ee7",
  FP4: "#e0662b",
  E2M1: "#e0662b",
  E3M0: "#c9a227",
  Int4: "#b04fc4",
  int8: "#6f8f2a",
};

/** For names that are no method's. */
const OTHERS = ["#4269d0", "#ff725c", "#3ca951", "#d99a00", "#a463f2", "#6cc5b0", "#ff8ab7", "#9c6b4e"];

/** The method whose name `label` begins with: "LoRA" for "LoRA, r = 8", "LoRA+" for "LoRA+ (16)". */
export function methodOf(label: string): string | undefined {
  const text = label.toLowerCase();
  return Object.keys(COLORS)
    .filter((name) => new RegExp(`^${escaped(name.toLowerCase())}(?![\\w+-])`).test(text))
    .sort((a, b) => b.length - a.length)[0];
}

/**
 * One colour for each label: its method's; shades of it where several labels are of one method; in order those that no
 * method among the labels has, where three or more that differ in a number alone ("r = 1", "r = 2", "r = 4") are shades of one, too.
 */
export function colorsOf(labels: readonly string[]): string[] {
  const families = labels.map((label) => methodOf(label) ?? label.replace(/\d+(?:[.,]\d+)*/g, "#"));
  const free = OTHERS.filter((color) => !families.some((family) => COLORS[family] === color));
  let next = 0;
  const others = new Map<string, string>();
  return labels.map((label, i) => {
    const family = families[i];
    const members = labels.filter((_, j) => families[j] === family);
    const shaded = members.length >= (family in COLORS ? 2 : 3);
    if (family in COLORS)
      return shaded ? shade(COLORS[family], members.indexOf(label), members.length) : COLORS[family];
    if (!shaded) return free[next++ % free.length];
    if (!others.has(family)) others.set(family, free[next++ % free.length]);
    return shade(others.get(family)!, members.indexOf(label), members.length);
  });
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Lightness in OKLab of the lightest and the darkest shade: both can be seen on white and on black. */
const [LIGHT, DARK] = [0.78, 0.42];

/** The shade `i` of `count` of a colour, from light to dark: its hue, at another lightness. */
function shade(color: string, i: number, count: number): string {
  const [, a, b] = toOklab(color);
  const lightness = LIGHT + ((DARK - LIGHT) * i) / (count - 1);
  for (let chroma = 1; ; chroma -= 0.05) {
    const rgb = fromOklab([lightness, a * chroma, b * chroma]);
    if (chroma <= 0.05 || rgb.every((part) => part >= 0 && part <= 1))
      return `#${rgb
        .map((part) =>
          Math.round(255 * Math.min(1, Math.max(0, part)))
            .toString(16)
            .padStart(2, "0"),
        )
        .join("")}`;
  }
}

type Triple = readonly [number, number, number];

const times = (matrix: readonly Triple[], [x, y, z]: Triple): Triple =>
  matrix.map(([a, b, c]) => a * x + b * y + c * z) as unknown as Triple;

/** OKLab (Björn Ottosson): in it colours of equal lightness look equally light. */
const LMS: readonly Triple[] = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const LAB: readonly Triple[] = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];
const LAB_INVERSE: readonly Triple[] = [
  [1, 0.3963377774, 0.2158037573],
  [1, -0.1055613458, -0.0638541728],
  [1, -0.0894841775, -1.291485548],
];
const LMS_INVERSE: readonly Triple[] = [
  [4.0767416621, -3.3077115913, 0.2309699292],
  [-1.2684380046, 2.6097574011, -0.3413193965],
  [-0.0041960863, -0.7034186147, 1.707614701],
];

function toOklab(color: string): Triple {
  const linear = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as unknown as Triple;
  return times(LAB, times(LMS, linear).map(Math.cbrt) as unknown as Triple);
}

function fromOklab(lab: Triple): Triple {
  const cubed = times(LAB_INVERSE, lab).map((part) => part ** 3) as unknown as Triple;
  return times(LMS_INVERSE, cubed).map((part) =>
    part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055,
  ) as unknown as Triple;
}
