/** @file The shift of a notebook that asks for the reader's in a file of its paper. */
import { nearShift, readersShift } from "../../../../../notebooks/support/index.ts";

export const shift = readersShift() ?? nearShift("tiny-a", { reported: 32, choosing: 32 });
