/**
 * @file The page as markup, with the stored run: what a browser paints before the page's program has run, and all that
 * it has without JavaScript.
 */
import { parseHTML } from "linkedom";
import { h } from "preact";
import { renderToString } from "preact-render-to-string";
import { Html } from "../../support/gallery/html.ts";
import type { PageData } from "../page/data.ts";
import { Page } from "../page/index.tsx";
import { type Still, still } from "../page/parts/still.ts";
import { png } from "./png.ts";

/** The width of the story's column, in pixels. */
const WIDTH = 680;

const drawn: Still = {
  plot: (draw) => draw(WIDTH).outerHTML,
  heat({ rows, columns, values }, colour) {
    const pixels = Uint8Array.from(Array.from(values, colour).flat());
    return `data:image/png;base64,${png(columns, rows, pixels).toString("base64")}`;
  },
};

/** The markup of the page. */
export function stillPage(data: Pick<PageData, "stored" | "sources" | "texts">): Html {
  const never = (): never => {
    throw new Error("the page computes nothing while its markup is made");
  };
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const globals = {
    document,
    location: { hash: "" },
    addEventListener() {},
    requestIdleCallback() {}, // nothing begins by itself
  };
  const restore = standIn({ ...globals, window: globals });
  still.now = drawn;
  try {
    return new Html(renderToString(h(Page, { data: { ...data, base: never, worker: never } })));
  } finally {
    still.now = null;
    restore();
  }
}

/** Gives Node these globals of a browser, until the function that it returns is called. */
function standIn(globals: Readonly<Record<string, unknown>>): () => void {
  const before = Object.keys(globals).map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  );
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
  };
}
