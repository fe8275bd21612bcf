/**
 * @file `opening()`, the place at the top of a page for what was found. Results are known at the end of a run, but a
 * reader wants them first:
 *
 *     // %% What was found
 *     const found = opening();
 *     …
 *     // %% The answer
 *     found.show(md`Rank 4 is enough: …`, elbow);
 */
import { currentSession } from "../notebook/session.ts";
import type { Picture } from "../plots/picture.ts";
import { type Displayable, display, displayIn } from "./display.ts";

export interface Opening {
  /**
   * Shows the findings in the cell of `opening()`. The picture is also the page's thumbnail in the gallery.
   *
   * @param sentences three to five, each true of the numbers of this run
   */
  show(sentences: Displayable, picture: Picture): void;
}

/** Reserves the current cell for the findings, which are shown when they are known. */
export function opening(): Opening {
  const session = currentSession();
  const cell = session?.current;
  return {
    show(sentences, picture) {
      for (const one of [sentences, picture]) {
        if (session && cell !== undefined) displayIn(session, cell, one, true);
        else display(one);
      }
    },
  };
}
