/**
 * @file quantization_config in config.json: what is quantized in a folder, and how. For NF4 and FP4 it is what transformers
 * writes for bitsandbytes, so that it loads the folder; the other formats are this library's.
 *
 *     { "quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4", … }
 *     { "quant_method": "lowrank", "format": "int8", "blockSize": 64, … }
 */

import { CheckpointError, isJsonObject, type JsonObject } from "../../core/index.ts";
import type { QuantizeOptions } from "../options.ts";

/** The field for these options. @param skipped the linear layers that stay dense */
export function quantizationConfig(
  { format = "nf4", blockSize, doubleQuant = false }: QuantizeOptions,
  skipped: readonly { readonly name: string }[],
): JsonObject {
  const names = skipped.map(({ name }) => name);
  if (format !== "nf4" && format !== "fp4")
    return { quant_method: "lowrank", format, ...(blockSize && { blockSize }), doubleQuant, skip: names };
  return {
    quant_method: "bitsandbytes",
    load_in_4bit: true,
    load_in_8bit: false,
    bnb_4bit_quant_type: format,
    bnb_4bit_use_double_quant: doubleQuant,
    bnb_4bit_compute_dtype: "float32",
    bnb_4bit_quant_storage: "uint8",
    llm_int8_skip_modules: names.length > 0 ? names : null,
  };
}

/**
 * Checks that the weights of a folder are in a form that is read here; which layers they are, their entries say.
 * @throws CheckpointError for another program's form, and without the field
 */
export function checkQuantizationConfig(folder: string, fields: JsonObject): void {
  const { quantization_config: config } = fields;
  const field = `${folder}/config.json: quantization_config`;
  if (config === undefined || config === null)
    throw new CheckpointError(`${field}: there is none: loadPretrained reads folders of plain weights`);
  if (!isJsonObject(config))
    throw new CheckpointError(`${field}: expected an object; got ${JSON.stringify(config)}`);
  const { quant_method, load_in_8bit } = config;
  const isKnown = quant_method === "lowrank" || quant_method === "bitsandbytes";
  if (isKnown && load_in_8bit !== true) return;
  const got = load_in_8bit === true ? "bitsandbytes' 8 bits" : JSON.stringify(quant_method);
  throw new CheckpointError(
    `${field}: expected bitsandbytes' 4 bits, or lowrank's formats; got ${got}. Take the weights before quantization, and ` +
      "quantize them by: lowrank quantize",
  );
}
