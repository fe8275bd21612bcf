// %% [markdown]
// # A notebook that takes neither

// %%
import { display } from "../../../notebooks/support/index.ts";

display("nothing");
