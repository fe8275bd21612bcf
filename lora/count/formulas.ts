/**
 * @file The formula of each method that adapts layers: how many numbers it trains, and adds, on W [d_out, d_in] at rank r.
 *
 *   method          trains                       added but frozen     source
 *   lora            r (d_in + d_out)                                  Hu et al. 2021, §5.1
 *   rslora          as lora                                           Kalajdzievski 2023
 *   lora-plus       as lora                                           Hayou et al. 2024 (an optimizer recipe)
 *   lora-fa         r d_out                      r d_in               Zhang et al. 2023: A stays as drawn
 *   adalora         r (d_in + d_out) + r                              Zhang et al. 2023, §3.1: P, Q and diag Λ
 *   dora            r (d_in + d_out) + d_out                          Liu et al. 2024, §4.1, one magnitude per output
 *   vera            r + d_out                    r (max d_in +        Kopiczko et al. 2024: vectors d and b on two
 *                                                   max d_out)        random matrices that all layers share
 *   dvora           r + 2 d_out                  as vera              Liu et al. 2024, table 5: vera with magnitudes
 */

import { methods } from "../methods.ts";
import type { CountFormula, MethodDefinition, Numbers } from "../model/method.ts";

/** A and B of VeRA. */
const shared: Numbers = (r, d_in, d_out) => r * (d_in + d_out);

const formulaOf = (method: MethodDefinition): CountFormula => method.count as CountFormula;

/** The formulas by name: those of the methods in lora/methods.ts, and others that the papers compare with. */
export const formulas = {
  lora: formulaOf(methods.lora),
  rslora: formulaOf(methods.lora),
  "lora-plus": formulaOf(methods.lora),
  "lora-fa": formulaOf(methods["lora-fa"]),
  adalora: formulaOf(methods.adalora),
  dora: formulaOf(methods.dora),
  vera: { trained: (r, _, d_out) => r + d_out, shared },
  dvora: { trained: (r, _, d_out) => r + 2 * d_out, shared },
} as const satisfies Record<string, CountFormula>;

/** DoRA's text has a magnitude per column of W [d, k], as many as there are inputs, where its code has one per output. */
export const doraPerInput: CountFormula = { trained: (r, d_in, d_out) => r * (d_in + d_out) + d_in };
