/** @file Quantization against bitsandbytes: codes, packed bytes and absmax equal to the last bit. */

import { tensor } from "lowrank/autograd";
import {
  ABSMAX_BLOCK_SIZE,
  type Codebook,
  type DoubleQuantizedAbsmax,
  dequantizeBlocks,
  dynamic8,
  dynamic8Unsigned,
  fp4,
  linear8,
  nf4,
  quantize,
  quantizeBlocks,
} from "lowrank/quant";
import type { LoadedCase } from "../cases.ts";
import type { Params } from "../params.ts";
import { arrayOf, constant, type Methods, type Outputs } from "./method.ts";

export const quant: Methods = {
  "quant-codebooks": () => ({
    nf4: list(nf4.values),
    fp4: list(fp4.values),
    dynamic_signed: list(dynamic8.values),
    dynamic_unsigned: list(dynamic8Unsigned.values),
    linear_signed: list(linear8.values),
  }),

  "quant-4bit": (c) => {
    const x = constant(c, "x");
    const options = {
      format: c.params.oneOf("quant_type", ["nf4", "fp4"]),
      blockSize: c.params.number("blocksize"),
    };
    const q = quantize(x, options);
    return {
      packed: list(q.packed),
      codes: list(q.codes()),
      absmax: list(q.absmax),
      dequantized: q.dequantize(),
      ...(c.params.boolean("double_quant") ? doubleQuant(c, options) : {}),
    };
  },

  "quant-8bit": (c) => {
    const [x, book, blockSize] = [arrayOf(c, "x"), mapOf(c.params), c.params.number("blocksize")];
    const { packed, absmax } = quantizeBlocks(book, Float32Array.from(x.data), blockSize);
    const dequantized = new Float32Array(x.size);
    dequantizeBlocks(book, packed, absmax, blockSize, dequantized, 0, x.size);
    return {
      codes: { data: packed, shape: x.shape },
      absmax: list(absmax),
      dequantized: tensor(dequantized, x.shape),
    };
  },

  "quant-int8-rows": (c) => {
    const x = constant(c, "x");
    const q = quantize(x, { format: "int8-rows" });
    return {
      codes: { data: new Int8Array(q.packed), shape: x.shape },
      row_absmax: list(q.absmax),
      dequantized: q.dequantize(),
    };
  },
};

type Options = Parameters<typeof quantize>[1];

/** absmax quantized as well, and what x is dequantized to then. */
function doubleQuant(c: LoadedCase, options: Options): Outputs {
  const [map, block] = [c.params.string("absmax_map"), c.params.number("absmax_blocksize")];
  if (map !== "dynamic_signed" || block !== ABSMAX_BLOCK_SIZE) {
    throw new Error(
      `the library quantizes absmax in blocks of ${ABSMAX_BLOCK_SIZE}, signed; got ${block}, ${map}`,
    );
  }
  const q = quantize(constant(c, "x"), { ...options, doubleQuant: true });
  const { codes, absmax, offset } = q.storedAbsmax as DoubleQuantizedAbsmax;
  return {
    "absmax.codes": list(codes),
    "absmax.offset": offset,
    "absmax.absmax": list(absmax),
    "absmax.dequantized": list(q.absmax),
    "double.dequantized": q.dequantize(),
  };
}

const maps = {
  dynamic_signed: dynamic8,
  dynamic_unsigned: dynamic8Unsigned,
  linear_signed: linear8,
} as const;

const mapOf = (params: Params): Codebook =>
  maps[params.oneOf("map", Object.keys(maps) as (keyof typeof maps)[])];

/** Values of one axis. */
const list = (data: ArrayLike<number>) => ({ data, shape: [data.length] });
