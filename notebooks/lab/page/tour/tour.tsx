/** @file The guided tour: one card at a time, beside the part of the page that it is about. */
import { useEffect, useRef } from "preact/hooks";
import { useLab } from "../state/lab.ts";
import { cards } from "./cards.ts";

interface TourProps {
  /** Number of the card, from 0. */
  readonly at: number;
  readonly onMove: (at: number | null) => void;
}

export function Tour({ at, onMove }: TourProps) {
  const lab = useLab();
  const { part, text, action, act, isDone } = cards[at];
  const panel = useRef<HTMLElement>(null);
  const wasDone = useRef(false);
  const done = isDone(lab);
  const isLast = at === cards.length - 1;

  useEffect(() => {
    wasDone.current = isDone(lab);
    panel.current?.focus({ preventScroll: true });
    const lit = [...document.querySelectorAll(`[data-part="${part}"]`)];
    for (const element of lit) element.classList.add("lit");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    lit[0]?.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
    return () => {
      for (const element of lit) element.classList.remove("lit");
    };
  }, [at]);

  useEffect(() => {
    if (done && !wasDone.current) lab.pause(); // the card has what it asked for
    wasDone.current = done;
  }, [done]);

  return (
    <aside
      ref={panel}
      class="tour"
      tabIndex={-1}
      aria-label="Guided tour"
      onKeyDown={(event) => {
        if (event.key === "Escape") onMove(null);
      }}
    >
      <header>
        <b>
          {at + 1} of {cards.length}
        </b>
        <button type="button" class="plain" onClick={() => onMove(null)} aria-label="End the tour">
          ✕
        </button>
      </header>
      <p aria-live="polite">{text}</p>
      <div class="buttons">
        <button type="button" class={done ? "secondary" : undefined} name="act" onClick={() => void act(lab)}>
          {action}
        </button>
        <span class="done">{done ? "✓ done" : ""}</span>
        <button
          type="button"
          class="secondary outline"
          name="back"
          disabled={at === 0}
          onClick={() => onMove(at - 1)}
        >
          Back
        </button>
        <button
          type="button"
          class={done ? undefined : "secondary outline"}
          name="next"
          onClick={() => onMove(isLast ? null : at + 1)}
        >
          {isLast ? "End" : "Next"}
        </button>
      </div>
    </aside>
  );
}
