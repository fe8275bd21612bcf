/** @file Makes the base `restaurants-b`: npx tsx notebooks/bases/restaurants-b.ts */
import { restaurants } from "./restaurants.ts";

restaurants("restaurants-b", { d: 64, steps: 1500, seed: 21 });
