/** @file The guided tour: one card at a time, beside the part of the page that it is about. */
import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useLab } from "../state/lab.ts";
import { answers, cards } from "./cards.ts";

/** `card`: the number of the card, from 0; behind the last, the questions that the tour has answered; null for none. */
export function Tour({ card }: { readonly card: Signal<number | null> }) {
  const at = card.value;
  const move = (to: number | null): void => {
    card.value = to;
  };
  if (at === null) return null;
  return (
    <Returning>
      {at < cards.length ? <CardOf at={at} onMove={move} /> : <Answers onEnd={() => move(null)} />}
    </Returning>
  );
}

/** Gives the focus back to where it was. */
function Returning({ children }: { readonly children: ComponentChildren }) {
  const before = useRef(document.activeElement as HTMLElement | null); // before the card takes it
  useEffect(() => () => before.current?.focus({ preventScroll: true }), []);
  return <>{children}</>;
}

interface CardProps {
  readonly at: number;
  readonly onMove: (at: number | null) => void;
}

function CardOf({ at, onMove }: CardProps) {
  const lab = useLab();
  const { text, action, act, isDone, found } = cards[at];
  const button = useRef<HTMLButtonElement>(null);
  const wasDone = useRef(false);
  const acting = useRef<AbortController | null>(null);
  const done = isDone(lab);

  /** Acts; not again before it has. */
  async function press(): Promise<void> {
    if (acting.current) return;
    const mine = new AbortController();
    acting.current = mine;
    await act(lab, mine.signal);
    if (acting.current === mine) acting.current = null;
  }

  useEffect(() => {
    wasDone.current = isDone(lab);
    button.current?.focus({ preventScroll: true });
    const dim = light(cards[at]);
    return () => {
      acting.current?.abort();
      acting.current = null;
      dim();
    };
  }, [at]);

  useEffect(() => {
    const isNew = done && !wasDone.current;
    wasDone.current = done;
    if (!isNew) return;
    lab.pause(); // the card has what it asked for
    const later = setTimeout(() => isCut(cards[at]) && show(cards[at]), REDRAWN);
    return () => clearTimeout(later);
  }, [done]);

  return (
    <aside
      class="tour card"
      aria-label="Guided tour"
      onKeyDown={(event) => {
        if (event.key === "Escape") onMove(null);
      }}
    >
      <header>
        <b>
          {at + 1} of {cards.length}
        </b>
        <Close onClick={() => onMove(null)} />
      </header>
      <p aria-live="polite">{text}</p>
      <p class="shows" aria-live="polite">
        {done && found(lab)}
      </p>
      <div class="buttons">
        <button
          ref={button}
          type="button"
          class={done ? "secondary" : undefined}
          name="act"
          onClick={() => void press()}
        >
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
          onClick={() => onMove(at + 1)}
        >
          {at === cards.length - 1 ? "End" : "Next"}
        </button>
      </div>
    </aside>
  );
}

/** Until pictures above the card's have been drawn anew and may have grown, in milliseconds. */
const REDRAWN = 800;

type Card = (typeof cards)[number];

const find = (name: string): Element[] => [...document.querySelectorAll(`[data-part="${name}"]`)];

/** Scrolls to the part of the page that a card is about. */
function show({ part }: Card): void {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  find(part)[0]?.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

/** Whether the upper edge of that part has left the screen, and the rest has not. */
function isCut({ part }: Card): boolean {
  const box = find(part)[0]?.getBoundingClientRect();
  return box !== undefined && box.top < 0 && box.bottom > 0;
}

/** Lights that part and its control, until the function that it returns is called. */
function light(card: Card): () => void {
  const [parts, controls] = [find(card.part), find(card.control)];
  for (const element of parts) element.classList.add("lit");
  for (const element of controls) element.classList.add("lit-control");
  controls[0]?.closest(".panel")?.scrollTo({ top: (controls[0] as HTMLElement).offsetTop - 200 });
  show(card);
  return () => {
    for (const element of parts) element.classList.remove("lit");
    for (const element of controls) element.classList.remove("lit-control");
  };
}

/** The end of the tour: three questions to answer for oneself, with what the tour has shown. */
function Answers({ onEnd }: { readonly onEnd: () => void }) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus({ preventScroll: true }), []);
  return (
    <aside
      ref={panel}
      class="answers card"
      tabIndex={-1}
      aria-label="After the tour"
      onKeyDown={(event) => {
        if (event.key === "Escape") onEnd();
      }}
    >
      <header>
        <b>You have seen the answers to three questions</b>
        <Close onClick={onEnd} />
      </header>
      {answers.map(([question, answer]) => (
        <details key={question}>
          <summary>{question}</summary>
          <p>{answer}</p>
        </details>
      ))}
    </aside>
  );
}

function Close({ onClick }: { readonly onClick: () => void }) {
  return (
    <button type="button" class="plain" onClick={onClick} aria-label="End the tour">
      ✕
    </button>
  );
}
