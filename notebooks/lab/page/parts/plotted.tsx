/**
 * @file A plot of Observable Plot in the page. It is drawn again when what it shows has changed, but only while it is on
 * the screen and a few times a second at most, so that a run of any speed leaves the page at its 60 frames.
 */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

/** Shortest time between two drawings of one plot, in milliseconds. */
const PERIOD = 120;

export interface PlottedProps {
  /** Draws at a width in pixels. */
  readonly draw: (width: number) => Element;
  /** What the plot shows, as a sentence: its text for those who do not see it. */
  readonly label: string;
}

export function Plotted({ draw, label }: PlottedProps) {
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef(draw);
  const request = useRef<() => void>(() => {});
  latest.current = draw;

  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    let [isSeen, isStale, width, drawn, timer] = [false, true, 0, 0, 0];
    const paint = (): void => {
      timer = 0;
      if (!isSeen || !isStale || width === 0) return;
      isStale = false;
      drawn = performance.now();
      element.replaceChildren(latest.current(width));
    };
    const soon = (): void => {
      if (isSeen && timer === 0)
        timer = window.setTimeout(paint, Math.max(0, drawn + PERIOD - performance.now()));
    };
    request.current = () => {
      isStale = true;
      soon();
    };
    const sight = new IntersectionObserver(
      ([entry]) => {
        isSeen = entry.isIntersecting;
        soon();
      },
      { rootMargin: "200px" },
    );
    const size = new ResizeObserver(() => {
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      isStale = true;
      soon();
    });
    sight.observe(element);
    size.observe(element);
    width = element.clientWidth;
    isSeen = element.getBoundingClientRect().top < innerHeight + 200;
    paint();
    return () => {
      clearTimeout(timer);
      sight.disconnect();
      size.disconnect();
    };
  }, []);

  useEffect(() => request.current());
  return <div ref={box} class="plotted" role="img" aria-label={label} />;
}
