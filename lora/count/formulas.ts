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

/** How many numbers: of rank r on a layer W [d_out, d_in]. */
export type Numbers = (r: number, d_in: number, d_out: number) => number;

/** The formula of one method. */
export interface CountFormula {
  /** What trains on one layer. */
  readonly trained: Numbers;
  /**
   * What is added to one layer and stays frozen.
   * @default nothing
   */
  readonly frozen?: Numbers;
  /**
   * What all layers share, frozen: of the largest r, d_in and d_out among them.
   * @default nothing
   */
  readonly shared?: Numbers;
  /**
   * Triplets can be pruned away: a layer may have rank 0, and a budget may stand in the place of the rank.
   * @default false
   */
  readonly prunes?: boolean;
}

const lora: CountFormula = { trained: (r, d_in, d_out) => r * (d_in + d_out) };

const dora: CountFormula = { trained: (r, d_in, d_out) => r * (d_in + d_out) + d_out };

/** A and B of VeRA. */
const shared: Numbers = (r, d_in, d_out) => r * (d_in + d_out);

export const formulas = {
  lora,
  rslora: lora,
  "lora-plus": lora,
  "lora-fa": { trained: (r, _, d_out) => r * d_out, frozen: (r, d_in) => r * d_in },
  adalora: { trained: (r, d_in, d_out) => r * (d_in + d_out) + r, prunes: true },
  dora,
  vera: { trained: (r, _, d_out) => r + d_out, shared },
  dvora: { trained: (r, _, d_out) => r + 2 * d_out, shared },
} as const satisfies Record<string, CountFormula>;

/** DoRA's text has a magnitude per column of W [d, k], as many as there are inputs, where its code has one per output. */
export const doraPerInput: CountFormula = { trained: (r, d_in, d_out) => r * (d_in + d_out) + d_in };
