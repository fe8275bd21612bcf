/** @file The kinds of control: a number with a slider beside it, a choice, a yes or no. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { useLab } from "../state/lab.ts";

interface FieldProps {
  /** Its name for the tour. */
  readonly part: string;
  readonly label: ComponentChildren;
}

export interface NumberFieldProps extends FieldProps {
  readonly value: number;
  /** The values of the slider; the box takes any. */
  readonly stops?: readonly number[];
  readonly onChange: (value: number) => void;
}

/** A number: the slider goes along `stops`, the box takes whatever is typed. */
export function NumberField({ part, label, value, stops, onChange }: NumberFieldProps) {
  const id = useId();
  const isRefused = useLab().message.value?.about === part;
  const nearest = stops?.reduce(
    (best, stop, i) => (distance(stop, value) < distance(stops[best], value) ? i : best),
    0,
  );
  return (
    <div class="field" data-part={part}>
      <label for={id}>{label}</label>
      <span class="entry">
        {stops && (
          <input
            type="range"
            aria-label={`${part}, slider`}
            aria-valuetext={String(stops[nearest ?? 0])}
            min={0}
            max={stops.length - 1}
            step={1}
            value={nearest}
            onInput={(event) => onChange(stops[Number(event.currentTarget.value)])}
          />
        )}
        <input
          id={id}
          type="text"
          inputMode="decimal"
          autocomplete="off"
          name={part}
          aria-invalid={isRefused || undefined}
          value={Number.isNaN(value) ? "" : String(value)}
          onChange={(event) => onChange(read(event.currentTarget.value))}
        />
      </span>
    </div>
  );
}

const distance = (a: number, b: number): number => Math.abs(Math.log(Math.max(a, 1e-9) / Math.max(b, 1e-9)));
const read = (text: string): number => (text.trim() === "" ? Number.NaN : Number(text.replace(",", ".")));

export interface ChoiceProps<T extends string> extends FieldProps {
  readonly value: T;
  readonly titles: Readonly<Record<T, string>>;
  readonly onChange: (value: T) => void;
}

export function Choice<T extends string>({ part, label, value, titles, onChange }: ChoiceProps<T>) {
  const id = useId();
  const isRefused = useLab().message.value?.about === part;
  return (
    <div class="field" data-part={part}>
      <label for={id}>{label}</label>
      <select
        id={id}
        name={part}
        aria-invalid={isRefused || undefined}
        value={value}
        onChange={(event) => onChange(event.currentTarget.value as T)}
      >
        {(Object.keys(titles) as T[]).map((name) => (
          <option key={name} value={name}>
            {titles[name]}
          </option>
        ))}
      </select>
    </div>
  );
}

export interface YesNoProps extends FieldProps {
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
}

export function YesNo({ part, label, value, onChange }: YesNoProps) {
  return (
    <label class="field yes-no" data-part={part}>
      <input
        type="checkbox"
        name={part}
        checked={value}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      {label}
    </label>
  );
}
