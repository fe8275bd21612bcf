/**
 * @file Cases: the numbers of public implementations, in the schema that test/oracles/README.md describes, read
 * strictly. A case is a JSON file that says what it holds and a safetensors file that holds it. Everything here works
 * on bytes, in a browser too; the disk is in folder.ts.
 */

import { parseSafetensors, type SafeTensor, type Shape, sameShape } from "lowrank/core";
import { Params } from "./params.ts";

/** How far a result may be from what is stored: not at all, or by atol + rtol · |stored|. */
export type Tolerance = "exact" | { readonly rtol: number; readonly atol: number };

export interface StoredOutput {
  readonly tensor: SafeTensor;
  readonly tolerance: Tolerance;
}

export interface LoadedCase {
  /** The path of the case file, without its ending. */
  readonly path: string;
  /** What is computed; runs of one method differ in params and inputs only. */
  readonly method: string;
  readonly params: Params;
  readonly inputs: ReadonlyMap<string, SafeTensor>;
  readonly outputs: ReadonlyMap<string, StoredOutput>;
  /** The bytes of another file, named relative to the case's folder. @throws CaseError when there is none */
  readonly file: (path: string) => Uint8Array;
}

/** A case that cannot be run, because its files are not what they should be. */
export interface BrokenCase {
  readonly path: string;
  readonly problem: string;
}

export class CaseError extends Error {
  override readonly name = "CaseError";
}

/** The files of a folder: bytes by path, with "/" between the parts. */
export type Files = ReadonlyMap<string, Uint8Array>;

const SCHEMA = "oracle-case/1";
const INDEX_SCHEMA = "oracle-index/1";
const DTYPES = ["F32", "I32", "U8"];
/** Beyond these a tolerance checks nothing: it would not be one that the cases were published with. */
const LOOSEST = { rtol: 1e-2, atol: 1e-3, perMagnitude: 1e-2, perDeviation: 20 };

/**
 * Every case among `files`, in the order of their paths. JSON files of other kinds (configurations of models and
 * adapters) are passed over; one that is broken, or stands beside a tensor file of its name, is a case.
 */
export function readCases(files: Files): (LoadedCase | BrokenCase)[] {
  const found: (LoadedCase | BrokenCase)[] = [];
  for (const file of [...files.keys()].sort()) {
    if (!file.endsWith(".json")) continue;
    const path = file.slice(0, -".json".length);
    try {
      const content = parseJson(files.get(file) as Uint8Array);
      if (content.schema === INDEX_SCHEMA) found.push(...missingFromIndex(file, content, files));
      else if (isCase(content) || files.has(`${path}.safetensors`)) {
        found.push(readCase(path, content, files));
      }
    } catch (error) {
      found.push({ path, problem: (error as Error).message });
    }
  }
  return found;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Also true of a case that lost one of its fields. */
const isCase = (content: Json): boolean =>
  String(content.schema).startsWith("oracle-") || ("method" in content && "tensors" in content);

function parseJson(bytes: Uint8Array): Json {
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new CaseError(`not JSON: ${(error as Error).message}`);
  }
  if (!isObject(content)) throw new CaseError("expected a JSON object");
  return content;
}

/** What the index lists but the folder lacks. */
function missingFromIndex(file: string, { cases }: Json, files: Files): BrokenCase[] {
  if (!Array.isArray(cases)) throw new CaseError(`${file}: expected "cases", a list`);
  return cases.flatMap((entry) => {
    const path = isObject(entry) && typeof entry.path === "string" ? entry.path : JSON.stringify(entry);
    if (files.has(relativeTo(file, path))) return [];
    return [{ path: path.replace(/\.json$/, ""), problem: `${file} lists it, but there is no such file` }];
  });
}

/** `path`, as written in `file`, seen from where `file`'s own path begins. */
const relativeTo = (file: string, path: string): string => file.slice(0, file.lastIndexOf("/") + 1) + path;

function readCase(path: string, content: Json, files: Files): LoadedCase {
  if (content.schema !== SCHEMA) {
    throw new CaseError(`expected the schema ${SCHEMA}; got ${JSON.stringify(content.schema)}`);
  }
  const { method, data, params, tensors } = content;
  for (const name of ["id", "group", "method", "data"] as const) {
    if (typeof content[name] !== "string" || content[name] === "") {
      throw new CaseError(`expected ${name}, a text; got ${JSON.stringify(content[name])}`);
    }
  }
  if (!isObject(params)) throw new CaseError("expected params, an object");
  if (!isObject(tensors)) throw new CaseError("expected tensors, an object");

  const file = (name: string): Uint8Array => {
    const bytes = files.get(relativeTo(path, name));
    if (!bytes) throw new CaseError(`expected a file ${name} beside the case; there is none`);
    return bytes;
  };
  const stored = parseSafetensors(file(data as string), data as string).tensors;
  for (const name of stored.keys()) {
    if (!Object.hasOwn(tensors, name))
      throw new CaseError(`${data} holds ${name}, which the case does not list`);
  }
  const inputs = new Map<string, SafeTensor>();
  const outputs = new Map<string, StoredOutput>();
  for (const [name, entry] of Object.entries(tensors)) {
    const tensor = stored.get(name);
    if (!tensor) throw new CaseError(`the case lists ${name}, which is missing from ${data}`);
    const { role, tolerance } = checkEntry(name, entry, tensor);
    if (role === "input") inputs.set(name, tensor);
    else outputs.set(name, { tensor, tolerance: readTolerance(name, tolerance, tensor) });
  }
  if (outputs.size === 0) throw new CaseError("expected at least one output to check");
  return { path, method: method as string, params: new Params(params), inputs, outputs, file };
}

/** One entry of `tensors`, which must say of a tensor what the file holds. */
function checkEntry(
  name: string,
  entry: unknown,
  tensor: SafeTensor,
): { role: "input" | "output"; tolerance: unknown } {
  if (!isObject(entry)) throw new CaseError(`${name}: expected an object`);
  const { role, dtype, shape, tolerance } = entry;
  if (role !== "input" && role !== "output") {
    throw new CaseError(`${name}: expected the role input or output; got ${JSON.stringify(role)}`);
  }
  if (!DTYPES.includes(dtype as string)) {
    throw new CaseError(
      `${name}: expected one of the types ${DTYPES.join(", ")}; got ${JSON.stringify(dtype)}`,
    );
  }
  if (dtype !== tensor.dtype || !Array.isArray(shape) || !sameShape(shape as Shape, tensor.shape)) {
    const inFile = `${tensor.dtype} [${tensor.shape.join(", ")}]`;
    throw new CaseError(`${name}: described as ${dtype} ${JSON.stringify(shape)}, stored as ${inFile}`);
  }
  return { role, tolerance };
}

function readTolerance(name: string, tolerance: unknown, tensor: SafeTensor): Tolerance {
  const fail = (problem: string): never => {
    throw new CaseError(`${name}: ${problem}; got ${JSON.stringify(tolerance)}`);
  };
  if (!isObject(tolerance)) return fail("expected a tolerance");
  const unknown = Object.keys(tolerance).filter((key) => !["exact", "rtol", "atol", "f32_dev"].includes(key));
  if (unknown.length > 0) fail(`expected a tolerance of known form, not ${unknown.join(", ")}`);
  if ("exact" in tolerance) {
    if (tolerance.exact !== true || Object.keys(tolerance).length > 1) fail('expected {"exact": true} alone');
    return "exact";
  }
  const { rtol, atol, f32_dev = 0 } = tolerance;
  const isBound = (value: unknown): value is number =>
    typeof value === "number" && value >= 0 && value < Infinity;
  if (!isBound(rtol) || !isBound(atol) || !isBound(f32_dev)) return fail("expected rtol and atol, both ≥ 0");

  const magnitude = Array.from(tensor.values(), Number).reduce(
    (most, value) => (Math.abs(value) > most && Math.abs(value) < Infinity ? Math.abs(value) : most),
    0,
  );
  const { perMagnitude, perDeviation } = LOOSEST;
  const loosest = Math.max(LOOSEST.atol, perMagnitude * magnitude, perDeviation * f32_dev);
  if (rtol > LOOSEST.rtol || atol > loosest) {
    fail(`expected a tolerance that checks something, rtol ≤ ${LOOSEST.rtol} and atol ≤ ${loosest}`);
  }
  return { rtol, atol };
}
