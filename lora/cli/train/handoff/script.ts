/** @file The script train.py of a handoff: the run in transformers, PEFT and accelerate. It reads its numbers from run.json. */

/** What the script is made for. */
export interface ScriptOptions {
  /** LoRA+: B has a rate of its own. */
  readonly isLoraPlus: boolean;
  /** LoRA-FA: A stays as it is. */
  readonly freezesA: boolean;
  /** SGD with momentum, which the arguments of transformers cannot say. */
  readonly isSgd: boolean;
}

const freezing = `for name, parameter in model.named_parameters():  # LoRA-FA: A stays as it is
    parameter.requires_grad &= "lora_A" not in name and "lora_embedding_A" not in name
`;

const loraPlus = `
    def create_optimizer(self, model=None):  # LoRA+: a higher rate for B
        self.optimizer = create_loraplus_optimizer(model or self.model, torch.optim.AdamW, **run["lora_plus"])
        return self.optimizer
`;

const sgd = `
    def create_optimizer(self, model=None):
        trained = [parameter for parameter in (model or self.model).parameters() if parameter.requires_grad]
        rates = {"lr": self.args.learning_rate, "momentum": 0.9, "weight_decay": self.args.weight_decay}
        self.optimizer = torch.optim.SGD(trained, **rates)
        return self.optimizer
`;

/** The text of train.py. */
export const trainScript = ({ isLoraPlus, freezesA, isSgd }: ScriptOptions): string => `\
"""Continues a run of lowrank with transformers and PEFT, sharded by FSDP; README.md says how it is started."""
import json, os, sys
from pathlib import Path

import torch
${isLoraPlus ? "from peft.optimizers import create_loraplus_optimizer\n" : ""}from peft import PeftModel
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments, set_seed

here = Path(__file__).resolve().parent
run = json.loads((here / "run.json").read_text())
processes = int(os.environ.get("WORLD_SIZE", 1))
if run["batch_size"] % processes:
    sys.exit(f"a batch of {run['batch_size']} cannot be divided among {processes} processes: change batch_size in run.json")
set_seed(run["arguments"]["seed"])
base = AutoModelForCausalLM.from_pretrained(sys.argv[1] if len(sys.argv) > 1 else run["base"], dtype=torch.float32)
model = PeftModel.from_pretrained(base, here / "adapter", is_trainable=True)
${freezesA ? freezing : ""}

def read(name):  # lines of {"input_ids": [...], "labels": [...]}; without labels every token counts
    return [{"labels": line["input_ids"], **line} for line in map(json.loads, (here / name).open())]


def collate(examples):  # shorter ones are filled up on the right
    fill = lambda rows, value: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
    ids, labels = ([torch.tensor(e[name]) for e in examples] for name in ("input_ids", "labels"))
    mask = fill([torch.ones_like(row) for row in ids], 0)
    return {"input_ids": fill(ids, run["padding"]), "attention_mask": mask, "labels": fill(labels, -100)}


class CheckedTrainer(Trainer):
    def training_step(self, model, *args, **kwargs):
        if self.state.global_step == 0 and not hasattr(self, "first"):
            self.check(model)  # once, before anything is trained
        return super().training_step(model, *args, **kwargs)

    def check(self, model):
        self.first, count = 0.0, 0
        model.eval()
        for i in range(0, len(run["first_step"]), run["batch_size"]):
            batch = collate([self.train_dataset[j] for j in run["first_step"][i : i + run["batch_size"]]])
            batch = {name: values.to(self.args.device) for name, values in batch.items()}
            labels = batch.pop("labels")[:, 1:].flatten()
            with torch.no_grad(), self.accelerator.autocast():
                logits = model(**batch).logits[:, :-1].flatten(0, 1).float()
            self.first += torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum").item()
            count += (labels != -100).sum().item()
        self.first, expected = self.first / count, run["first_loss"]
        bound = run["bound"] if self.accelerator.mixed_precision == "no" else 0.02 * expected
        self.accelerator.print(f"first step's loss: {self.first:.6f} here, {expected:.6f} in lowrank, bound {bound:.1e}")
        if not abs(self.first - expected) <= bound:
            sys.exit("the losses differ: is the base the same model, and are the versions those of requirements.txt?")
${isLoraPlus ? loraPlus : isSgd ? sgd : ""}

arguments = TrainingArguments(
    output_dir=here / "out",
    per_device_train_batch_size=run["batch_size"] // processes,
    train_sampling_strategy="sequential",  # data.jsonl is in the order of the run's first pass
    remove_unused_columns=False,
    save_strategy="no",
    report_to="none",
    **run["arguments"],
)
validation = read("validation.jsonl") if (here / "validation.jsonl").exists() else None
trainer = CheckedTrainer(model, arguments, collate, train_dataset=read("data.jsonl"), eval_dataset=validation)
trainer.train()
if validation:
    print(trainer.evaluate())
trainer.save_model()
`;
