/** @file Checks that a layer computes only what its weight and bias say, so that another layer can replace it. */

import { Parameter } from "../../autograd/index.ts";
import { Conv1d, Conv2d } from "../layers/conv.ts";
import { Embedding } from "../layers/embedding.ts";
import { Conv1D, isLinearLike, Linear } from "../layers/linear.ts";
import type { Module } from "./module.ts";

const kinds = [Linear, Conv1D, Embedding, Conv1d, Conv2d] as const;

/** The methods of a linear layer, each computed from the next; a class that overrides one must override those after it. */
const computation = ["forward", "project", "denseWeight"] as const;

/**
 * The names of members that a layer or its class overrides, so that weight and bias do not say all that it computes:
 * "forward" of a Linear that scales its output, "weight" where it is an accessor. Empty for the library's layers, for
 * classes that extend them without overriding these members, and for complete LinearLike classes.
 */
export function overrides(layer: Module): string[] {
  const Kind = kinds.find((kind) => layer instanceof kind);
  if (!Kind) return isLinearLike(layer) ? outOfOrder(layer) : [];
  const changed = [...computation, "withWeight"].filter(
    (name) => name in layer && member(layer, name) !== member(Kind.prototype, name),
  );
  if (changed.length === 4 && outOfOrder(layer).length === 0) return [];
  const accessors = ["weight", "bias"].filter((name) => name in layer && !isField(layer, name));
  return [...changed.filter((name) => name !== "withWeight"), ...accessors];
}

/** The methods of a LinearLike that are overridden in a later class than the methods they are computed from. */
function outOfOrder(layer: Module): string[] {
  const depths = computation.map((name) => depthOf(layer, name));
  return computation.filter((_, i) => depths.slice(i + 1).some((later) => depths[i] < later));
}

/** The number of prototypes between an object and a member: 0 for a member of its own. */
function depthOf(object: object, name: string): number {
  const above: unknown = Object.getPrototypeOf(object);
  return Object.hasOwn(object, name) || above === null ? 0 : 1 + depthOf(above as object, name);
}

const member = (object: object, name: string): unknown => (object as Record<string, unknown>)[name];

function isField(layer: Module, name: string): boolean {
  const value: unknown = Object.getOwnPropertyDescriptor(layer, name)?.value;
  return value instanceof Parameter || value === null;
}
