/** @file The program of the page: hands what stands in the document to the interface. */
import type { BaseFiles } from "../engine/types.ts";
import { mount } from "./stub.tsx";

const read = <T>(id: string): T => JSON.parse(document.getElementById(id)!.textContent!) as T;

/** Fulfilled when the whole document is there: the model and the worker's program stand at its end. */
const complete = new Promise<void>((resolve) => {
  if (document.readyState !== "loading") resolve();
  else addEventListener("DOMContentLoaded", () => resolve());
});

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

mount(document.getElementById("lab")!, {
  stored: read("stored"),
  sources: read("sources"),
  texts: read("texts"),
  base: async () => {
    await complete;
    const { weights, ...files } = read<Omit<BaseFiles, "weights"> & { weights: string }>("base");
    return { ...files, weights: bytesOf(weights) };
  },
  worker: () => {
    const program = new Blob([read<string>("worker")], { type: "text/javascript" });
    return new Worker(URL.createObjectURL(program), { name: "lowrank lab" });
  },
});
