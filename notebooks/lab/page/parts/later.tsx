/** @file A section that is drawn when the page has time: until then it stands as the build made it. */
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Milliseconds between two sections, so that each is a task of its own and the page answers in between. */
const APART = 30;

interface LaterProps {
  /** Its place among the others, from 0. */
  readonly at: number;
  /** What stands there until then; without it, the section is drawn at once. */
  readonly kept?: Element;
  readonly children: VNode;
}

export function Later({ at, kept, children }: LaterProps): VNode {
  const place = useRef<HTMLDivElement>(null);
  const [isDrawn, setDrawn] = useState(!kept);
  useLayoutEffect(() => {
    if (kept) place.current?.append(kept);
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => setDrawn(true), APART * (at + 1));
    return () => clearTimeout(timer);
  }, []);
  return isDrawn ? children : <div ref={place} class="kept" />;
}
