/** @file The page of the lab: a story in ten sections, with the controls beside it. */
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { ControlPanel } from "./controls/controls.tsx";
import { Said, Transport } from "./controls/transport.tsx";
import type { PageData } from "./data.ts";
import { Bits } from "./sections/bits.tsx";
import { Contents } from "./sections/contents.tsx";
import { Counting } from "./sections/counting.tsx";
import { Forgetting } from "./sections/forgetting.tsx";
import { Memory } from "./sections/memory.tsx";
import { Merging } from "./sections/merging.tsx";
import { Opening } from "./sections/opening.tsx";
import { Rank } from "./sections/rank.tsx";
import { Runs } from "./sections/runs.tsx";
import { Variants } from "./sections/variants.tsx";
import { Zero } from "./sections/zero.tsx";
import { createLab } from "./state/create-lab.ts";
import { LabProvider } from "./state/lab.ts";
import { Tour } from "./tour/tour.tsx";

/** The sections after the first, in the order of the story. */
const sections = [Zero, Rank, Forgetting, Merging, Bits, Memory, Variants, Counting, Runs];

/** Draws the page into `root`, in the place of the markup that the build put there. */
export function mount(root: Element, data: PageData): void {
  root.replaceChildren();
  render(<Page data={data} />, root);
}

export function Page({ data }: { readonly data: PageData }) {
  const lab = useMemo(() => createLab(data), [data]);
  useEffect(() => lab.begin(), [lab]);
  const [card, setCard] = useState<number | null>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <LabProvider value={lab}>
      <header class="top container">
        <hgroup>
          <h1>The lab</h1>
          <p>Adapt a small language model in this page, and see every quantity of the papers on LoRA move.</p>
        </hgroup>
        <Contents />
      </header>
      <div class="lab container">
        <main>
          <Opening onTour={() => setCard(0)} />
          {sections.map((Section) => (
            <Section key={sections.indexOf(Section)} />
          ))}
        </main>
        <aside class={isOpen ? "panel open" : "panel"} aria-label="Controls">
          <Said />
          <Transport />
          <button
            type="button"
            class="plain opener"
            aria-expanded={isOpen}
            aria-controls="controls"
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? "Hide the controls" : "Controls"}
          </button>
          <div id="controls">
            <ControlPanel />
          </div>
        </aside>
      </div>
      {card !== null && <Tour at={card} onMove={setCard} />}
    </LabProvider>
  );
}
