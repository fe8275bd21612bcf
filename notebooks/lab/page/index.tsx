/** @file The page of the lab: a story in ten sections, with the controls beside it. */

import { useSignal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ControlPanel } from "./controls/controls.tsx";
import { Said, Transport } from "./controls/transport.tsx";
import type { PageData } from "./data.ts";
import { Later } from "./parts/later.tsx";
import { Bits } from "./sections/bits.tsx";
import { Contents, ToControls } from "./sections/contents.tsx";
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
  const kept = [...root.querySelectorAll("main > section")].slice(1); // the first, the opening, is drawn at once
  root.replaceChildren();
  render(<Page data={data} kept={kept} />, root);
}

interface PageProps {
  readonly data: PageData;
  /** The sections after the first as the build made them, which stay until there is time to draw them. */
  readonly kept?: readonly Element[];
}

/** Keeps the panel's height in the style sheet: on a narrow screen the tour's card stands above it. */
function tellHeight(panel: HTMLElement): () => void {
  const observer = new ResizeObserver(() =>
    document.documentElement.style.setProperty("--panel-height", `${panel.offsetHeight}px`),
  );
  observer.observe(panel);
  return () => observer.disconnect();
}

export function Page({ data, kept = [] }: PageProps) {
  const lab = useMemo(() => createLab(data), [data]);
  const card = useSignal<number | null>(null);
  const [isOpen, setOpen] = useState(false);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => lab.begin(), [lab]);
  useEffect(() => tellHeight(panel.current as HTMLElement), []);
  return (
    <LabProvider value={lab}>
      <ToControls />
      <header class="top container">
        <hgroup>
          <h1>The lab</h1>
          <p>Adapt a small language model in this page, and see every quantity of the papers on LoRA move.</p>
        </hgroup>
        <Contents />
      </header>
      <div class="lab container">
        <main>
          <Opening
            onTour={() => {
              card.value = 0;
            }}
          />
          {sections.map((Section, at) => (
            <Later key={Section.name} at={at} kept={kept[at]}>
              <Section />
            </Later>
          ))}
        </main>
        <aside ref={panel} class={isOpen ? "panel open" : "panel"} aria-label="Controls">
          <Said />
          <Transport>
            <button
              type="button"
              class="plain opener"
              aria-expanded={isOpen}
              aria-controls="controls"
              onClick={() => setOpen(!isOpen)}
            >
              {isOpen ? "Hide the controls" : "Controls"}
            </button>
          </Transport>
          <div id="controls">
            <ControlPanel />
          </div>
        </aside>
      </div>
      <Tour card={card} />
    </LabProvider>
  );
}
