/** @file Makes the base `tiny-a`: npx tsx notebooks/bases/tiny-a.ts */
import { restaurants } from "./restaurants.ts";

restaurants("tiny-a", { d: 16, steps: 7000, seed: 20 });
