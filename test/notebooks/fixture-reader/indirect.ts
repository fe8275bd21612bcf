// %% [markdown]
// # A notebook whose paper's files ask

// %%
import { display } from "../../../notebooks/support/index.ts";
import { shift } from "./papers/indirect/shift.ts";

display(shift.name);
