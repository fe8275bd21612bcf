/** @file The fields of adapter_config.json that choose modules: the adapted layers, and the copies of the base. */

import { isStringList } from "../../../core/index.ts";
import type { NamedModule } from "../../../nn/index.ts";
import { type OwnParameter, placesIn } from "../../model/saved-parameters.ts";
import type { AdapterView } from "../adapter-view.ts";
import { ownPlaces } from "../tensors/content.ts";
import { type Encoding, firstRoundTripping } from "./encoding.ts";
import type { Fields } from "./fields.ts";
import { exactly, type ModuleFields, moduleOf, savedModules, targetedModules } from "./modules.ts";

/** target_modules, modules_to_save, bias and those that narrow them. */
export function moduleFields(view: AdapterView): Fields {
  const { save, fields } = savedEncoding(view);
  return { ...fields, ...biasFields(view, save), ...targetFields(view, save) };
}

/** modules_to_save: the modules of which the adapter has copies of more than the bias. */
function savedEncoding(view: AdapterView): Encoding<{ readonly save: readonly string[] }> {
  const { modules, origin, config, name } = view;
  const wanted = savedHolders(view);
  const configured = namesIn(config.modulesToSave);
  const written = (save: readonly string[]) => ({
    save,
    fields: { modules_to_save: save.length > 0 ? save : null },
  });
  return firstRoundTripping(
    [
      origin && {
        save: origin.config.modules.save,
        fields: pick(origin.config.fields, ["modules_to_save"]),
      },
      configured && written(configured),
      written([...wanted]),
    ],
    ({ save }) => sameNames(withParameters(modules, savedModules(modules, save)), wanted),
    `the modules to save of ${name}`,
  );
}

/** bias: which biases the adapter has copies of, those of saved modules not counted. */
function biasFields(view: AdapterView, save: readonly string[]): Fields {
  const { model, modules, parts, origin, config, name } = view;
  const holders = savedHolders(view);
  const wanted = namesOf(copiesInFields(view).filter((one) => !holders.has(moduleOf(one))));
  const saved = savedModules(modules, save);
  const choices = [origin?.config.bias, config.bias, "none", "lora-only", "all"] as const;
  const encodings = choices.map(
    (bias) => bias && { bias, fields: { bias: bias === "lora-only" ? "lora_only" : bias } },
  );
  return firstRoundTripping(
    encodings,
    ({ bias }) => {
      const isAdapted = (layer: string): boolean => parts.has(layer);
      const places = ownPlaces({ model, modules, saved: new Set(), bias, isAdapted });
      return sameNames(namesOf(places.filter((place) => !saved.has(moduleOf(place)))), wanted);
    },
    `the biases of ${name}`,
  ).fields;
}

/** The fields that choose the adapted layers. */
function targetFields(
  { modules, parts, origin, config, name }: AdapterView,
  save: readonly string[],
): Fields {
  const paths = [...parts.keys()];
  const configured = namesIn(config.target);
  const written = (target: string | readonly string[], layers: readonly number[] | null = null) => ({
    target,
    layers,
    exclude: [],
    layersPattern: [],
    save,
    parameters: [],
    fields: {
      target_modules: target,
      exclude_modules: null,
      layers_to_transform: layers,
      layers_pattern: null,
      target_parameters: null,
    },
  });
  return firstRoundTripping<ModuleFields>(
    [
      origin && {
        ...origin.config.modules,
        save,
        fields: pick(origin.config.fields, [
          "target_modules",
          "exclude_modules",
          "layers_to_transform",
          "layers_pattern",
          "target_parameters",
        ]),
      },
      configured && written(configured),
      configured && written(configured, config.layers),
      written(lastNames(paths)),
      written(paths),
      written(exactly(paths).source),
    ],
    (fields) =>
      (fields.target === null && fields.parameters.length === 0) ||
      sameNames(new Set(targetedModules(modules, fields)), new Set(paths)),
    `the layers of ${name}`,
  ).fields;
}

/** The adapter's copies that fields speak of: not those of embeddings that the file has without a word. */
const copiesInFields = ({ own, origin }: AdapterView): readonly OwnParameter[] =>
  own.filter((one) => !origin?.embeddings.includes(moduleOf(one)));

/** Names of the modules of which the adapter has copies of other parameters than biases. */
const savedHolders = (view: AdapterView): ReadonlySet<string> =>
  new Set(
    copiesInFields(view)
      .filter(({ field }) => field !== "bias")
      .map(moduleOf),
  );

/** Names of those of the `chosen` modules that have parameters of their own. */
function withParameters(modules: readonly NamedModule[], chosen: ReadonlySet<string>): Set<string> {
  const holding = modules.filter((module) => chosen.has(module.name) && [...placesIn(module)].length > 0);
  return new Set(holding.map(({ name }) => name));
}

/** The last parts of names, such as q_proj and v_proj: the short form of a list, where they mean no other layer. */
const lastNames = (paths: readonly string[]): string[] => [
  ...new Set(paths.map((path) => path.slice(path.lastIndexOf(".") + 1))),
];

/** A target as PEFT's list of names; undefined when it is anything else. */
function namesIn(target: unknown): readonly string[] | undefined {
  const list = typeof target === "string" ? [target] : target;
  return isStringList(list) ? list : undefined;
}

/** Fields by name, null for those that are absent. */
const pick = (fields: Fields, wanted: readonly string[]): Fields =>
  Object.fromEntries(wanted.map((field) => [field, fields[field] ?? null]));

const namesOf = (places: readonly { readonly name: string }[]): Set<string> =>
  new Set(places.map(({ name }) => name));

const sameNames = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((name) => b.has(name));
