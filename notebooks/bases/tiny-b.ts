/** @file Makes the base `tiny-b`: npx tsx notebooks/bases/tiny-b.ts */
import { restaurants } from "./restaurants.ts";

restaurants("tiny-b", { d: 16, steps: 7000, seed: 21 });
