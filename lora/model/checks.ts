/** @file What is refused before anything is changed. */

import { AdapterError, type NDArray } from "../../core/index.ts";

/**
 * Names become parts of parameter names and of paths.
 * @throws AdapterError on an empty name, one with a dot or a slash or "lora_" in it, or one that is taken
 */
export function checkName(name: string, taken: readonly string[]): void {
  const given = `got ${JSON.stringify(name)}`;
  if (typeof name !== "string" || !/^[^./\\\s]+$/.test(name) || name.includes("lora_")) {
    throw new AdapterError(
      `name: expected a name without dots, slashes, spaces or "lora_" for the adapter; ${given}`,
    );
  }
  if (taken.includes(name))
    throw new AdapterError(`name: expected one that is not taken (${taken.join(", ")}); ${given}`);
}

/** @throws AdapterError naming the first element that is NaN or infinite */
export function checkFinite(who: string, { data, shape }: NDArray): void {
  const index = (data as Float32Array).findIndex((value) => !Number.isFinite(value));
  if (index < 0) return;
  throw new AdapterError(
    `${who}: expected finite values; got ${data[index]} at element ${index} of [${shape.join(", ")}]`,
  );
}
