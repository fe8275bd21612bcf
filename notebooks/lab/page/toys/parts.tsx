/** @file What the pictures share: their frame, sliders and choices. */
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import type { Sources } from "../data.ts";
import type { LineKey } from "../lines.ts";
import { Equation } from "../parts/equation.tsx";
import { LibraryLines } from "../parts/library-lines.tsx";

/** The library's lines as HTML, by the keys of the page's lines.ts. */
export interface ToyProps {
  readonly sources: Sources;
}

interface FrameProps extends ToyProps {
  readonly id: string;
  readonly title: string;
  /** What there is to see, in words that need no picture. */
  readonly lead: ComponentChildren;
  /** The equations. */
  readonly tex: readonly string[];
  /** Keys of the library's lines. */
  readonly lines: readonly LineKey[];
  readonly children: ComponentChildren;
}

/** One picture: title, text, equations, the picture with its controls, the library's lines. */
export function Frame({ id, title, lead, tex, lines, sources, children }: FrameProps): JSX.Element {
  return (
    <section class="toy" id={id} aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>{title}</h3>
      <div class="toy-lead">{lead}</div>
      <div class="toy-equation">
        {tex.map((one) => (
          <Equation key={one} tex={one} block />
        ))}
      </div>
      {children}
      {lines.map((key) => (
        <LibraryLines key={key} of={key} sources={sources} />
      ))}
    </section>
  );
}

interface SliderProps {
  readonly label: ComponentChildren;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
  /** The value in words, beside the label and for screen readers. */
  readonly text?: string;
  readonly onInput: (value: number) => void;
}

export function Slider({
  label,
  value,
  min,
  max,
  step = 1,
  text = `${value}`,
  onInput,
}: SliderProps): JSX.Element {
  const id = useId(); // a label without it would name its output
  return (
    <label class="toy-slider" for={id}>
      <span>
        <span>{label}</span> <output>{text}</output>
      </span>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        aria-valuetext={text}
        onInput={({ currentTarget }) => onInput(currentTarget.valueAsNumber)}
      />
    </label>
  );
}

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly value: T;
  readonly onInput: (value: T) => void;
}

/** A few options beside each other, one of which holds. */
export function Choice<T extends string>({ label, options, value, onInput }: ChoiceProps<T>): JSX.Element {
  const name = useId();
  return (
    <fieldset class="toy-choice">
      <legend>{label}</legend>
      {options.map(([option, text]) => (
        <label key={option} data-on={option === value || undefined}>
          <input type="radio" name={name} checked={option === value} onChange={() => onInput(option)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

/** Many options, one of which holds. */
export function Select<T extends string>({ label, options, value, onInput }: ChoiceProps<T>): JSX.Element {
  return (
    <label class="toy-select">
      <span>{label}</span>
      <select value={value} onChange={({ currentTarget }) => onInput(currentTarget.value as T)}>
        {options.map(([option, text]) => (
          <option key={option} value={option} selected={option === value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Check(props: {
  label: ComponentChildren;
  checked: boolean;
  onInput: (on: boolean) => void;
}): JSX.Element {
  return (
    <label class="toy-check">
      <input
        type="checkbox"
        checked={props.checked}
        onChange={({ currentTarget }) => props.onInput(currentTarget.checked)}
      />
      {props.label}
    </label>
  );
}

/** A number with so many significant digits, without an exponent where that can be read. */
export function digits(value: number, count = 3): string {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return "∞";
  if (value < 0) return `−${digits(-value, count)}`;
  if (value < 1e-3 || value >= 1e6) {
    const [mantissa, exponent] = value.toExponential(Math.max(0, count - 2)).split("e");
    return `${mantissa} · 10${superscript(Number(exponent))}`;
  }
  return String(Number(value.toPrecision(count)));
}

export const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

/** An integer as a superscript: ⁻³. */
export const superscript = (n: number): string =>
  [...String(n)].map((letter) => (letter === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(letter)])).join("");
