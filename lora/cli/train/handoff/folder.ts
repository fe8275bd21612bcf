/** @file The other files of a handoff: accelerate's configuration for FSDP, the versions, and the page that says what to do. */

/** Versions that the handoff was tried with. */
export const requirements = `torch>=2.7
transformers>=5.17,<6
peft>=0.21,<0.22
accelerate>=1.15,<2
`;

/** accelerate's configuration: the model's parameters sharded over the processes of one machine. */
export const fsdpConfig = `compute_environment: LOCAL_MACHINE
debug: false
distributed_type: FSDP
downcast_bf16: 'no'
enable_cpu_affinity: false
fsdp_config:
  fsdp_activation_checkpointing: false
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: false
  fsdp_offload_params: false
  fsdp_reshard_after_forward: true
  fsdp_state_dict_type: FULL_STATE_DICT
  fsdp_version: 2
machine_rank: 0
main_training_function: main
mixed_precision: 'no'
num_machines: 1
num_processes: 2
rdzv_backend: static
same_network: true
use_cpu: false
`;

/** What the page says of the run. */
export interface PageOptions {
  readonly base: string;
  readonly isLocal: boolean;
  readonly method: string;
  readonly steps: number;
  readonly batchSize: number;
  readonly loss: number;
  readonly bound: number;
  readonly notes: readonly string[];
}

/** The README.md of a handoff. */
export const page = ({
  base,
  isLocal,
  method,
  steps,
  batchSize,
  loss,
  bound,
  notes,
}: PageOptions): string => `\
# A run of lowrank, continued in PEFT

An adapter (${method}) for ${base}, with its data, to train on with transformers, PEFT and FSDP.

\`\`\`sh
pip install -r requirements.txt
accelerate launch --config_file fsdp.yaml --num_processes 2 train.py${isLocal ? " BASE" : ""}
python train.py${isLocal ? " BASE" : ""}          # the same on one GPU, or none
\`\`\`
${
  isLocal
    ? `
BASE is the folder of the base model, which is not in here: it was \`${base}\`. Without it that path is used.
`
    : `
The base is downloaded from the Hub when it is not in its cache; a path after \`train.py\` is used in its place.
`
}
Before the first step train.py computes the loss of the first step's examples, and ends when it is not the ${loss.toFixed(6)}
that lowrank computed, within ${bound.toExponential(1)}. Then it trains ${steps} steps of ${batchSize} examples in all, whatever the
number of processes, and writes the adapter to \`out\`, in PEFT's format: \`lowrank generate --base BASE --adapter out\`.

| file | what it is |
| :-- | :-- |
| \`adapter/\` | the adapter, in PEFT's format |
| \`data.jsonl\` | the examples as token ids, in the order of the run's first pass; \`labels\` of −100 do not count |
| \`validation.jsonl\` | what is held out, if anything |
| \`run.json\` | the base, the hyperparameters, the first step's examples and their loss |
| \`fsdp.yaml\` | accelerate's configuration: FSDP 2. With \`mixed_precision: bf16\` the losses may differ by 2 % |
| \`train.py\`, \`requirements.txt\` | the script, and the versions it is for |

The optimizer begins anew: its state is not handed over. ${notes.join(" ")}
`;
