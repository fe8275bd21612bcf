/** @file Work in slices between frames: a training that advances while its picture is on the screen. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Training } from "./training.ts";

/** Milliseconds of a frame that a picture may take. */
const SLICE = 6;

/** Whether the visitor's system asks for little motion. */
export const calm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Whether an element has come near the screen, once and for all. */
export function useSeen<E extends Element>(): [{ current: E | null }, boolean] {
  const ref = useRef<E>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!ref.current || seen) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) setSeen(true);
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [seen]);
  return [ref, seen];
}

/**
 * Trains from the start whenever `keys` change, up to `pace` steps a frame and never longer than a slice, and gives the
 * state to show. With little motion asked for, it shows the start and then the end.
 */
export function useTraining<State>(
  make: () => Training<State>,
  keys: readonly unknown[],
  running: boolean,
  pace = Number.POSITIVE_INFINITY,
): State {
  const start = useRef<{ keys: readonly unknown[]; training: Training<State>; first: State } | null>(null);
  if (!start.current || start.current.keys.some((key, k) => !Object.is(key, keys[k]))) {
    const training = make();
    start.current = { keys, training, first: training.read() };
  }
  const { training, first } = start.current;
  const [shown, show] = useState({ training, state: first });
  useEffect(() => {
    if (!running) return;
    let step = 0;
    let frame = requestAnimationFrame(function advance() {
      const end = performance.now() + SLICE;
      const last = Math.min(training.steps, step + pace);
      while (step < last && performance.now() < end) {
        training.step();
        step++;
      }
      if (step === training.steps || !calm()) show({ training, state: training.read() });
      if (step < training.steps) frame = requestAnimationFrame(advance);
    });
    return () => cancelAnimationFrame(frame);
  }, [training, running]);
  return shown.training === training ? shown.state : first;
}
