/**
 * @file The settings of a notebook, each with a quick and a full value, which the command line can change:
 *
 *     const settings = defineSettings({
 *       rank: { quick: 8, full: 16, about: "r, the rank of the update" },
 *     });
 *     settings.rank // 8, or 16 with --full, or 4 with --set rank=4
 */

import { type Table, table } from "../show/table.ts";
import { NotebookError } from "../terminal/errors.ts";
import { unknownName } from "../terminal/names.ts";
import { currentSession, type SettingValue } from "./session.ts";

export interface Setting<T extends SettingValue> {
  readonly quick: T;
  /** @default `quick` */
  readonly full?: T;
  /** The meaning, in a few words. */
  readonly about: string;
  /** For text: the allowed values. */
  readonly oneOf?: readonly string[];
  /**
   * For numbers: the smallest allowed value.
   * @default 0
   */
  readonly min?: number;
}

/** The general type of a literal: `number` for 8. */
type Widen<T> = T extends number
  ? number
  : T extends string
    ? string
    : T extends boolean
      ? boolean
      : readonly number[];

export type Settings<S extends Record<string, Setting<SettingValue>>> = {
  readonly [K in keyof S]: Widen<S[K]["quick"]>;
};

const abouts = new WeakMap<object, Record<string, Setting<SettingValue>>>();

/**
 * Declares the settings of a notebook and returns their values for this run. On the command line, an integer setting
 * takes only integers, and a list of numbers is written `ranks=1,2,4`.
 *
 * @throws NotebookError for a name that is not declared or a value of the wrong type
 */
export function defineSettings<const S extends Record<string, Setting<SettingValue>>>(spec: S): Settings<S> {
  const session = currentSession();
  const overrides = new Map(session?.overrides);
  for (const name of overrides.keys()) {
    if (!Object.hasOwn(spec, name)) throw unknownName("setting", name, Object.keys(spec));
  }
  if (session?.seeds !== undefined) {
    if (Object.hasOwn(spec, "seeds")) overrides.set("seeds", session.seeds);
    else session.terminal.status(`${session.name}: has no setting "seeds"; --seeds changes nothing in it`);
  }
  const entries = Object.entries(spec).map(([name, setting]) => {
    const { quick, full = quick } = setting;
    const text = overrides.get(name);
    return [name, text === undefined ? (session?.full ? full : quick) : parse(name, text, setting)];
  });
  const settings = Object.freeze(Object.fromEntries(entries)) as Settings<S>;
  abouts.set(settings, spec);
  if (session) session.settings = settings;
  session?.onSettings(settings);
  return settings;
}

const note = "Change one with: npm start -- NAME --set SETTING=VALUE";

/** The settings in force as a table, with their meanings. */
export function settingsTable(settings: object): Table {
  const spec = specOf("settingsTable", settings);
  const rows = Object.entries(settings).map(([name, value]) => ({
    setting: name,
    value: asText(value),
    meaning: spec[name].about,
  }));
  return table(rows, { title: "Settings", note });
}

/** The settings as declared, as a table with both values. */
export function declaredTable(settings: object, title: string): Table {
  const rows = Object.entries(specOf("declaredTable", settings)).map(([name, { quick, full, about }]) => ({
    setting: name,
    quick: asText(quick),
    full: asText(full ?? quick),
    meaning: about,
  }));
  return table(rows, { title, note });
}

function specOf(who: string, settings: object): Record<string, Setting<SettingValue>> {
  const spec = abouts.get(settings);
  if (!spec) throw new TypeError(`${who}: expected the settings that defineSettings returned`);
  return spec;
}

const asText = (value: SettingValue): string => (Array.isArray(value) ? value.join(", ") : String(value));

function parse(name: string, text: string, setting: Setting<SettingValue>): SettingValue {
  const { quick, full = quick, oneOf, min = 0 } = setting;
  const wrong = (expected: string) =>
    new NotebookError(`setting ${name}: expected ${expected}; got "${text}"`);

  if (typeof quick === "boolean") {
    if (text !== "true" && text !== "false") throw wrong("true or false");
    return text === "true";
  }
  if (typeof quick === "string") {
    if (oneOf && !oneOf.includes(text)) throw wrong(`one of ${oneOf.join(", ")}`);
    return text;
  }
  const integer = [quick, full].flat().every(Number.isInteger);
  const kind = `${integer ? "an integer" : "a number"} of at least ${min}`;
  const number = (part: string) => {
    const value = part.trim() === "" ? Number.NaN : Number(part);
    if (!Number.isFinite(value) || value < min || (integer && !Number.isInteger(value))) {
      throw wrong(typeof quick === "number" ? kind : `numbers separated by commas, each ${kind}`);
    }
    return value;
  };
  return typeof quick === "number" ? number(text) : text.split(",").map(number);
}
