/**
 * @file A plot of Observable Plot in the page. It is drawn again when what it shows has changed: a few times a second
 * while it is on the screen, and rarely elsewhere, so that a run of any speed leaves the page at its 60 frames.
 */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { still } from "./still.ts";

/** Shortest time between two drawings of one plot, on the screen and elsewhere, in milliseconds. */
const PERIOD = { seen: 120, unseen: 2000 };

export interface PlottedProps {
  /** Draws at a width in pixels. */
  readonly draw: (width: number) => Element;
  /** What the plot shows, as a sentence: its text for those who do not see it. */
  readonly label: string;
}

export function Plotted(props: PlottedProps) {
  if (!still.now) return <LivePlot {...props} />;
  const markup = { __html: still.now.plot(props.draw) };
  return <div class="plotted" role="img" aria-label={props.label} dangerouslySetInnerHTML={markup} />;
}

function LivePlot({ draw, label }: PlottedProps) {
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef(draw);
  const request = useRef<() => void>(() => {});
  latest.current = draw;

  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    let [isSeen, isStale, width, drawn, timer] = [false, true, 0, Number.NEGATIVE_INFINITY, 0];
    const paint = (): void => {
      timer = 0;
      if (!isStale || width === 0) return;
      isStale = false;
      drawn = performance.now();
      element.replaceChildren(latest.current(width));
    };
    const soon = (): void => {
      clearTimeout(timer);
      const period = isSeen ? PERIOD.seen : PERIOD.unseen;
      timer = window.setTimeout(paint, Math.max(0, drawn + period - performance.now()));
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
