/**
 * @file The ΔW of an adapter's folder as factors, without its base: what combining, converting and comparing folders compute
 * with. LoRA, LoRA-FA and AdaLoRA have ΔW = s B A whatever the base is. What needs the base (DoRA's norms, PiSSA's and OLoRA's
 * residual weights, methods of one's own) is refused by name.
 */

import { CheckpointError, scope, withPrecision } from "../../../core/index.ts";
import { isNeutral } from "../../peft/config/fields.ts";
import { parsePeftConfig } from "../../peft/config/parse.ts";
import { type OpenAdapter, type OpenLayer, openAdapter } from "../../peft/open.ts";
import type { Factors } from "../spectrum.ts";

/** An adapter's folder whose ΔW are products of factors. */
export interface FactoredAdapter extends OpenAdapter {
  /** Its layers by name. */
  readonly byName: ReadonlyMap<string, OpenLayer>;
}

/**
 * Opens an adapter whose ΔW follow from its folder alone.
 * @throws CheckpointError when the folder is malformed, or its ΔW need the base
 */
export function openFactored(folder: string): FactoredAdapter {
  const adapter = openAdapter(folder);
  const { fields, layers, method } = adapter;
  if ("lowrank_method" in fields) throw needsBase(folder, `the method ${method}`);
  const config = parsePeftConfig(JSON.stringify(fields), `${folder}: adapter_config.json`);
  if (config.method === "dora")
    throw needsBase(folder, "DoRA, whose ΔW depends on the norms of the base's rows");
  if (config.init !== undefined)
    throw needsBase(folder, `init_lora_weights ${JSON.stringify(config.init)}, which changes the base`);
  for (const name of ["target_parameters", "trainable_token_indices"])
    if (!isNeutral(fields[name])) throw needsBase(folder, name);
  for (const { name, tensors } of layers) {
    const odd = [...tensors.keys()].find((key) => !isFactor.test(key));
    if (odd !== undefined) throw needsBase(folder, `${name}.${odd}`);
  }
  if (layers.length === 0)
    throw new CheckpointError(`${folder}: expected the tensors of an adapter; there are none`);
  return { ...adapter, byName: new Map(layers.map((layer) => [layer.name, layer])) };
}

/** The ends of keys of the tensors whose product is ΔW; in AdaLoRA with the number of triplets beside them. */
const isFactor = /^lora_((embedding_)?[AB]|E|ranknum)(\.weight)?$/;

/** The error that says how to go on. */
const needsBase = (folder: string, what: string): CheckpointError =>
  new CheckpointError(
    `${folder} has ${what}: expected the base model beside it, by --base or the option base`,
  );

/** B [out, r] and A [r, in] of a layer in double precision. @throws CheckpointError when they do not fit or are not finite */
export function factorsOf(folder: string, layer: OpenLayer): Factors {
  const factors = layer.factors();
  if (!factors || factors.A.size === 0 || factors.B.size === 0)
    throw new CheckpointError(
      `${folder}: ${layer.name}: expected lora_A [r, in] and lora_B [out, r] that fit together`,
    );
  for (const [letter, { data }] of Object.entries(factors)) {
    const at = (data as Float64Array).findIndex((value) => !Number.isFinite(value));
    if (at >= 0)
      throw new CheckpointError(
        `${folder}: ${layer.name}: ${letter} holds ${data[at]}; expected finite numbers`,
      );
  }
  return factors;
}

/** Runs the work on one layer in double precision, and gives its temporaries back. */
export const inDouble = <T>(work: () => T): T => scope(() => withPrecision("float64", work));

/** @throws CheckpointError when layers of one name have ΔW of different shapes: the adapters are for different bases */
export function checkSameShape(
  name: string,
  layers: readonly (readonly [folder: string, layer: OpenLayer])[],
): void {
  const [first, ...others] = layers;
  for (const [folder, { shape }] of others) {
    if (shape[0] === first[1].shape[0] && shape[1] === first[1].shape[1]) continue;
    throw new CheckpointError(
      `${first[0]} and ${folder} are for different bases: ${name} is [${first[1].shape.join(", ")}] and [${shape.join(", ")}]`,
    );
  }
}
