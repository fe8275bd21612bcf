/** @file A plot of Observable Plot as wide as its place, drawn again when its numbers or its width change. */
import * as Plot from "@observablehq/plot";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { still } from "../parts/still.ts";

interface ChartProps {
  /** What the plot shows, in words. */
  readonly text: string;
  /** Makes the options for a width in pixels. */
  readonly options: (width: number) => Plot.PlotOptions;
  /** What the options depend on. */
  readonly keys: readonly unknown[];
}

const drawn = (width: number, options: ChartProps["options"]) =>
  Plot.plot({
    width,
    style: { background: "none", fontFamily: "inherit", fontSize: "12px" },
    ...options(width),
  });

export function Chart(props: ChartProps): JSX.Element {
  if (!still.now) return <LiveChart {...props} />;
  const markup = { __html: still.now.plot((width) => drawn(width, props.options)) };
  return <div class="toy-chart" role="img" aria-label={props.text} dangerouslySetInnerHTML={markup} />;
}

function LiveChart({ text, options, keys }: ChartProps): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const place = ref.current;
    if (!place) return;
    const observer = new ResizeObserver(() => setWidth(Math.floor(place.clientWidth)));
    observer.observe(place);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (width === 0) return;
    const plot = drawn(width, options);
    plot.setAttribute("aria-hidden", "true");
    ref.current?.replaceChildren(plot);
  }, [width, ...keys]);
  return <div class="toy-chart" ref={ref} role="img" aria-label={text} />;
}
