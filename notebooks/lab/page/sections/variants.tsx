/** @file "The variants": what each method changes of LoRA, with its line of the library. */
import type { Controls } from "../../engine/types.ts";
import type { LineKey } from "../lines.ts";
import { Equation } from "../parts/equation.tsx";
import { LibraryLines } from "../parts/library-lines.tsx";
import { Choose } from "../parts/setting-link.tsx";
import { useLab } from "../state/lab.ts";
import { DoraRow, RateLandscape, TripletLives } from "../toys/index.ts";

interface Variant {
  readonly name: string;
  readonly to: Partial<Controls>;
  readonly tex: string;
  readonly sentence: string;
  readonly line: LineKey;
}

const variants: readonly Variant[] = [
  {
    name: "LoRA+",
    to: { method: "lora+" },
    tex: String.raw`\eta_B = \lambda\, \eta_A`,
    sentence: "B starts at zero and has further to go than A, so it gets the larger learning rate.",
    line: "plus",
  },
  {
    name: "rsLoRA",
    to: { method: "rslora" },
    tex: String.raw`s = \alpha / \sqrt{r}`,
    sentence:
      "With α/r the update shrinks as r grows, and a large rank learns too slowly; with α/√r it keeps its size.",
    line: "scaling",
  },
  {
    name: "LoRA-FA",
    to: { method: "lora-fa" },
    tex: "A = A_0",
    sentence: "A stays as it was drawn; backward then needs Ax only, r numbers for each token, and not x.",
    line: "frozen",
  },
  {
    name: "DoRA",
    to: { method: "dora" },
    tex: String.raw`W' = m\, \frac{W_0 + BA}{\lVert W_0 + BA \rVert}`,
    sentence: "The length of each row of the weight is trained apart from its direction.",
    line: "dora",
  },
  {
    name: "AdaLoRA",
    to: { method: "adalora" },
    tex: String.raw`\Delta W = P \Lambda Q`,
    sentence: "Rank goes to the matrices that need it: triplets of low importance are pruned on the way.",
    line: "adalora",
  },
  {
    name: "PiSSA",
    to: { method: "pissa" },
    tex: String.raw`W_0 = W_{\text{res}} + B_0 A_0`,
    sentence:
      "A and B start from the largest singular triplets of W₀, which leave it, so that nothing has changed and B is not zero.",
    line: "pissa",
  },
  {
    name: "OLoRA",
    to: { method: "olora" },
    tex: String.raw`W_0 = QR, \quad B_0 = Q_{:r},\ A_0 = R_{r:}`,
    sentence: "The same with a QR decomposition of W₀, so that B begins with orthonormal columns.",
    line: "olora",
  },
  {
    name: "LoftQ",
    to: { method: "loftq", format: "nf4" },
    tex: String.raw`\min \lVert W_0 - Q - BA \rVert_F`,
    sentence: "For a base in few bits: A and B start from what rounding lost, and take up some of it.",
    line: "loftq",
  },
  {
    name: "VeRA",
    to: { method: "vera" },
    tex: String.raw`\Delta W = \Lambda_b B \Lambda_d A`,
    sentence:
      "A and B are random, frozen and shared by all layers; each layer trains two vectors. The library has no VeRA: this is a method of one's own, written beside its tests.",
    line: "vera",
  },
];

export function Variants() {
  const { data } = useLab();
  return (
    <section id="variants">
      <h2>The variants</h2>
      <p>
        Most methods after LoRA change one line of it. A name sets the method in the controls; start it, and
        its curves stand beside LoRA's in the pictures above. BitFit, which trains{" "}
        <Choose to={{ method: "bitfit" }}>biases alone</Choose>, has no A and B at all.
      </p>
      <ul class="variants" data-part="variants">
        {variants.map(({ name, to, tex, sentence, line }) => (
          <li key={name}>
            <p>
              <b>
                <Choose to={to}>{name}</Choose>
              </b>{" "}
              <Equation tex={tex} />
            </p>
            <p>{sentence}</p>
            <LibraryLines of={line} sources={data.sources} />
          </li>
        ))}
      </ul>
      <RateLandscape sources={data.sources} />
      <TripletLives sources={data.sources} />
      <DoraRow sources={data.sources} />
    </section>
  );
}
