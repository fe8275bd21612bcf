// %% [markdown]
// # LoRA: Low-Rank Adaptation of Large Language Models
//
// Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen, 2021, [arXiv:2106.09685](https://arxiv.org/abs/2106.09685).
//
// To be read beside the paper. The method is derived next to the library's own lines; the paper's exact tables are
// recomputed from formulas; its experiments are repeated scaled down, on a small GPT that is pretrained here and adapted
// here. What the paper reports and what this run measured stand side by side, and each claim of the paper is a predicate
// with a verdict. Where a claim does not hold here, that is what the verdict says.
//
// **To run it:** `npm start -- lora`; `--full` takes the long setting, `--set rank=2` changes a number. **To open it:** VS Code
// and Jupyter show `lora.ipynb` as it is. They also run it with the Deno kernel: install [Deno](https://deno.com), run
// `deno jupyter --install` and, in the checkout, `npm ci && npm run build`; open `notebooks/lora.ipynb`, choose the kernel
// *Deno*.

// %% Settings

import { type Tensor, tensor } from "lowrank/autograd";
import { copy, currentDevice, kernelCounts, type NDArray, random, scope } from "lowrank/core";
import {
  AdaptedLinear,
  type ConfigurationCounts,
} from "lowrank/lora";
