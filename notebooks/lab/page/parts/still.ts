/**
 * @file The page as markup, before its program runs and where none does: the build draws plots and heat maps then, since
 * components that only make markup have no effects.
 */
import type { Grid } from "../../engine/types.ts";

/** How the build draws. */
export interface Still {
  /** A plot as SVG. */
  plot(draw: (width: number) => Element): string;
  /** The address of a picture with a number's colour in each pixel; `colour` gives red, green, blue and opacity. */
  heat(grid: Grid, colour: (value: number) => readonly [number, number, number, number]): string;
}

/** Set while the build makes the markup; null in a browser. */
export const still: { now: Still | null } = { now: null };
