/** @file The typed errors of the library. A message names the called function, what was expected and what was given. */

/** The base class of all errors that this library throws on purpose. */
export class LowrankError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    // Written out here and below: a bundler may shorten the names of classes.
    this.name = new.target === LowrankError ? "LowrankError" : new.target.name;
  }
}

/** A shape, axis or length that does not fit. `got` names each argument and its shape. */
export class ShapeError extends LowrankError {
  override readonly name: string = "ShapeError";

  constructor(who: string, expected: string, got: Readonly<Record<string, unknown>>) {
    super(`${who}: expected ${expected}; got ${describe(got)}`);
  }
}

/** An argument whose value, not shape, is wrong: a rank of 0, a NaN rate, an unknown option. */
export class ArgumentError extends LowrankError {
  override readonly name: string = "ArgumentError";

  constructor(who: string, expected: string, got: Readonly<Record<string, unknown>>) {
    super(`${who}: expected ${expected}; got ${describe(got)}`);
  }
}

/** A device that is unknown, absent, lost, or out of memory. */
export class DeviceError extends LowrankError {
  override readonly name: string = "DeviceError";
}

/** A graph that cannot be differentiated as asked: used twice, changed in place, no gradient to start from. */
export class AutogradError extends LowrankError {
  override readonly name: string = "AutogradError";
}

/** A file with invalid contents. Nothing has been loaded. */
export class CheckpointError extends LowrankError {
  override readonly name: string = "CheckpointError";
}

/** An adapter operation that is not possible in the present state. The model is unchanged. */
export class AdapterError extends LowrankError {
  override readonly name: string = "AdapterError";
}

/** A tensor that cannot be quantized, or bytes that are not a quantized tensor. */
export class QuantizationError extends LowrankError {
  override readonly name: string = "QuantizationError";
}

function describe(got: Readonly<Record<string, unknown>>): string {
  return Object.entries(got)
    .map(([name, value]) => `${name} ${show(value)}`)
    .join(", ");
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  try {
    return String(value);
  } catch {
    return "an object"; // without a prototype, or with a toString that throws
  }
}
