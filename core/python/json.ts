/**
 * @file JSON as Python's json.dumps writes it, for files that are the same byte for byte when PEFT or bitsandbytes writes
 * them. It differs from JSON.stringify in two ways:
 *
 *     floats      0.0 where JavaScript has 0; 1e-05 where it has 0.00001
 *     texts       \u00e9 where JavaScript has é
 */

import { ArgumentError } from "../errors.ts";
import { isJsonObject, type JsonObject } from "../files/json.ts";

export interface PythonJsonOptions {
  /**
   * Spaces by which each level is indented, every value on a line of its own; json.dumps's indent.
   * @default everything on one line
   */
  readonly indent?: number;
  /**
   * Fields are in the order of their names; json.dumps's sort_keys.
   * @default false
   */
  readonly sortNames?: boolean;
  /**
   * Names of fields whose numbers are floats in Python, which a JavaScript number does not say.
   * @default none
   */
  readonly floats?: readonly string[];
}

/**
 * The text of a value in JSON.
 *
 *     pythonJson({ dropout: 0, name: "é" }, { floats: ["dropout"] }); // {"dropout": 0.0, "name": "\u00e9"}
 *
 * @throws ArgumentError on a value that JSON does not have, such as undefined or a function
 */
export function pythonJson(value: unknown, options: PythonJsonOptions = {}): string {
  const { indent = null, sortNames = false, floats = [] } = options;
  const names = (fields: JsonObject): string[] =>
    sortNames ? Object.keys(fields).sort() : Object.keys(fields);

  const write = (value: unknown, outer: string, name: string): string => {
    const inner = indent === null ? "" : outer + " ".repeat(indent);
    const block = (open: string, items: readonly string[], close: string): string => {
      if (items.length === 0) return open + close;
      if (indent === null) return open + items.join(", ") + close;
      return `${open}\n${items.map((item) => inner + item).join(",\n")}\n${outer}${close}`;
    };
    if (Array.isArray(value)) {
      const items = value.map((item) => write(item, inner, ""));
      return block("[", items, "]");
    }
    if (isJsonObject(value)) {
      const fields = names(value).map((field) => `${quote(field)}: ${write(value[field], inner, field)}`);
      return block("{", fields, "}");
    }
    if (typeof value === "string") return quote(value);
    if (typeof value === "number" && (!Number.isInteger(value) || floats.includes(name)))
      return pythonFloat(value);
    if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
    throw new ArgumentError("pythonJson", "values that JSON has", { [name || "value"]: value });
  };
  return write(value, "", "");
}

/**
 * A number as Python's repr gives a float: the shortest digits, as in JavaScript; but a point in whole numbers, and
 * exponents from 1e-05 down and 1e+16 up. null for what is not finite, as in JSON.stringify.
 */
function pythonFloat(x: number): string {
  if (!Number.isFinite(x)) return "null";
  const exponent = x === 0 ? 0 : Number(x.toExponential().split("e")[1]);
  if (exponent >= -4 && exponent < 16) return Number.isInteger(x) ? `${x}.0` : `${x}`;
  return x.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

const quote = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
