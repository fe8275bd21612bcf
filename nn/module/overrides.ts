/** @file Whether a layer's weight and bias say all that it computes, so that another layer can take its place. */

import { Parameter } from "../../autograd/index.ts";
import { Conv1d, Conv2d } from "../layers/conv.ts";
import { Embedding } from "../layers/embedding.ts";
import { Conv1D, isLinearLike, Linear } from "../layers/linear.ts";
import type { Module } from "./module.ts";

const kinds = [Linear, Conv1D, Embedding, Conv1d, Conv2d] as const;

/** What a linear layer computes with, what is computed from most to least; a class that changes one changes those after it. */
const computation = ["forward", "project", "denseWeight"] as const;

/**
 * What a layer's class, or the layer itself, does in its own way, so that its weight and bias do not say all that it
 * computes: "forward" of a Linear that scales its output, "weight" that is an accessor. Empty for the library's layers,
 * for classes that extend them and leave these alone, and for classes that are a LinearLike of their own in full.
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

/** Of a LinearLike: what is defined nearer to the layer than what it should follow from. */
function outOfOrder(layer: Module): string[] {
  const depths = computation.map((name) => depthOf(layer, name));
  return computation.filter((_, i) => depths.slice(i + 1).some((later) => depths[i] < later));
}

/** How far up its chain of prototypes an object finds a member: 0 for one of its own. */
function depthOf(object: object, name: string): number {
  const above: unknown = Object.getPrototypeOf(object);
  return Object.hasOwn(object, name) || above === null ? 0 : 1 + depthOf(above as object, name);
}

const member = (object: object, name: string): unknown => (object as Record<string, unknown>)[name];

function isField(layer: Module, name: string): boolean {
  const value: unknown = Object.getOwnPropertyDescriptor(layer, name)?.value;
  return value instanceof Parameter || value === null;
}
