/** @file The memory ledger: where the bytes of a training step go, in front of the cards that it must fit on. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import {
  big,
  inBytes,
  type Ledger,
  type LedgerBits,
  type LedgerMethod,
  type LedgerModel,
  type LedgerOptimizer,
  type LedgerSettings,
  type LedgerTarget,
  ledgerModels,
  ledgerOf,
  type PartName,
} from "./ledger.ts";
import { Check, Frame, Select, Slider, type ToyProps } from "./parts.tsx";

const CARDS = [8, 16, 24, 48, 80];
/** Ends of the axis, in GB. */
const ENDS = [10, 30, 60, 100, 250, 500, 1000, 2500, 5000];

const COLORS: Readonly<Record<PartName, string>> = {
  base: "#8a8f98",
  adapters: "#4269d0",
  gradients: "#d99a00",
  optimizer: "#a463f2",
  activations: "#3ca951",
};

const START: LedgerSettings = {
  model: "llama-7b",
  method: "lora",
  rank: 8,
  target: "qv",
  bits: "16",
  optimizer: "adamw",
  rows: 1,
  length: 512,
  checkpointing: true,
  fused: false,
};

const STATEMENTS: readonly (readonly [text: string, settings: LedgerSettings])[] = [
  ["“84 GB for a 7B model in full”", { ...START, method: "full" }],
  ["the same with LoRA", START],
  ["“65B on one card of 48 GB”", { ...START, model: "llama-65b", rank: 64, target: "all", bits: "4dq" }],
  ["“10,000 times fewer”: GPT-3, r = 4", { ...START, model: "gpt3-175b", rank: 4 }],
];

const methodTexts: [LedgerMethod, string][] = [
  ["full", "full fine-tuning"],
  ["lora", "LoRA"],
  ["lora-fa", "LoRA-FA"],
  ["dora", "DoRA"],
];
const targetTexts: [LedgerTarget, string][] = [
  ["qv", "queries and values"],
  ["attention", "all of attention"],
  ["all", "all linear layers"],
];
const bitTexts: [LedgerBits, string][] = [
  ["32", "float32"],
  ["16", "16 bits"],
  ["8", "int8, rows"],
  ["4", "NF4"],
  ["4dq", "NF4, double quantization"],
];
const optimizerTexts: [LedgerOptimizer, string][] = [
  ["adamw", "AdamW"],
  ["adamw8", "AdamW, 8-bit state"],
  ["paged", "AdamW, paged out"],
  ["sgd", "SGD"],
];

export function MemoryLedger({ sources }: ToyProps): JSX.Element {
  const settings = useSignal(START);
  const set = (change: Partial<LedgerSettings>): void => {
    settings.value = { ...settings.value, ...change };
  };
  const { model, method, rank, target, bits, optimizer, rows, length, checkpointing, fused } = settings.value;
  const ledger = useMemo(() => ledgerOf(settings.value), [settings.value]);
  const [full7, lora7, qlora65] = useMemo(totals, []);
  const card = CARDS.find((size) => size * 1e9 >= ledger.total);
  return (
    <Frame
      id="memory-ledger"
      title="The memory ledger"
      sources={sources}
      lines={["bytes", "quantizedBytes", "count"]}
      tex={[String.raw`\text{bytes} = \text{base} + p\, (2 + 2 + 8) + \text{activations}`]}
      lead={
        <p>
          What does a step of training hold in memory? Full fine-tuning needs a gradient and two moments for
          each of the model's numbers. LoRA needs them only for its own: of a 7B model's step, {full7} GB in
          full, it leaves {lora7} GB, nearly all of it the frozen base. So the base is next: in four bits,
          QLoRA puts 65B into {qlora65} GB. What remains are activations, which grow with the tokens of a
          batch and hardly with the method.
        </p>
      }
    >
      <div class="toy-buttons">
        {STATEMENTS.map(([text, chosen]) => (
          <button
            key={text}
            type="button"
            class="outline"
            onClick={() => {
              settings.value = chosen;
            }}
          >
            {text}
          </button>
        ))}
      </div>
      <div class="toy-controls">
        <Select<LedgerModel>
          label="model"
          options={Object.entries(ledgerModels) as [LedgerModel, string][]}
          value={model}
          onInput={(model) => set({ model })}
        />
        <Select label="method" options={methodTexts} value={method} onInput={(method) => set({ method })} />
        <Select label="base in" options={bitTexts} value={bits} onInput={(bits) => set({ bits })} />
        <Select
          label="optimizer"
          options={optimizerTexts}
          value={optimizer}
          onInput={(optimizer) => set({ optimizer })}
        />
        {method !== "full" && (
          <>
            <Select
              label="matrices"
              options={targetTexts}
              value={target}
              onInput={(target) => set({ target })}
            />
            <Slider
              label="rank r"
              value={Math.log2(rank)}
              min={0}
              max={8}
              text={`${rank}`}
              onInput={(power) => set({ rank: 2 ** power })}
            />
          </>
        )}
        <Slider
          label="rows of a batch"
          value={Math.log2(rows)}
          min={0}
          max={8}
          text={`${rows}`}
          onInput={(power) => set({ rows: 2 ** power })}
        />
        <Slider
          label="tokens of a row"
          value={Math.log2(length)}
          min={6}
          max={13}
          text={length.toLocaleString("en")}
          onInput={(power) => set({ length: 2 ** power })}
        />
        <Check label="checkpointing" checked={checkpointing} onInput={(on) => set({ checkpointing: on })} />
        <Check label="FlashAttention" checked={fused} onInput={(on) => set({ fused: on })} />
      </div>
      <Bar ledger={ledger} />
      <p class="toy-result">
        <strong>{inBytes(ledger.total)}</strong>.{" "}
        {card ? `It fits on a card of ${card} GB.` : "It fits on no single card of 80 GB."}{" "}
        {big(ledger.trained)} of {big(ledger.all)} numbers train
        {ledger.trained < ledger.all ? `, one in ${big(ledger.all / ledger.trained)}` : ""}.
        {ledger.bits !== bits && " A quantized base cannot be trained in full: it is counted in 16 bits."}
      </p>
      <Parts ledger={ledger} />
      <p class="toy-note">
        p numbers train: each has 2 bytes for its value, 2 for its gradient, 8 for AdamW's two moments. GB are
        10⁹ bytes. Not counted: temporary arrays, a layer being dequantized, the framework, fragmentation.
      </p>
    </Frame>
  );
}

/** The totals of the statements in GB. */
const totals = (): string[] => STATEMENTS.map(([, settings]) => (ledgerOf(settings).total / 1e9).toFixed(0));

function Bar({ ledger }: { ledger: Ledger }): JSX.Element {
  const gigabytes = ledger.total / 1e9;
  const end = ENDS.find((one) => one >= gigabytes) ?? Math.ceil(gigabytes);
  const cards = CARDS.filter((size) => size <= end && size >= end / 12);
  const text = ledger.parts.map(({ name, bytes }) => `${name} ${inBytes(bytes)}`).join(", ");
  return (
    <div class="toy-ledger" role="img" aria-label={`${text}; the axis ends at ${inBytes(end * 1e9)}`}>
      {cards.map((size) => (
        <span key={size} class="toy-card" style={{ width: `${(100 * size) / end}%` }}>
          {size} GB
        </span>
      ))}
      <div class="toy-stack">
        {ledger.parts.map(({ name, bytes }) => (
          <i key={name} style={{ width: `${bytes / 1e7 / end}%`, background: COLORS[name] }} />
        ))}
      </div>
    </div>
  );
}

function Parts({ ledger }: { ledger: Ledger }): JSX.Element {
  return (
    <table class="toy-table toy-parts">
      <tbody>
        {ledger.parts.map(({ name, bytes, formula }) => (
          <tr key={name}>
            <th scope="row">
              <i style={{ background: COLORS[name] }} /> {name}
            </th>
            <td>{formula}</td>
            <td>{inBytes(bytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
