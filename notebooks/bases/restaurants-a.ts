/** @file Makes the base `restaurants-a`: npx tsx notebooks/bases/restaurants-a.ts */
import { restaurants } from "./restaurants.ts";

restaurants("restaurants-a", { d: 64, steps: 1500, seed: 20 });
