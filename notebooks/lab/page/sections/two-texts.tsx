/** @file One prompt, continued by the base and by the adapted model; again after every few steps. */
import { useState } from "preact/hooks";
import { REPETITION_PENALTY } from "../../engine/types.ts";
import { Picture } from "../parts/picture.tsx";
import { Typed } from "../parts/typed.tsx";
import { useLab } from "../state/lab.ts";
import { lastMeasured } from "../state/run.ts";

/** ℓ: the logits; those of the tokens that stand there already are lowered by the penalty. */
const equation = String.raw`x_{t+1} = \arg\max_x\; \tilde\ell_x, \qquad \tilde\ell_x = \begin{cases} \min(\ell_x / ${REPETITION_PENALTY},\; ${REPETITION_PENALTY}\, \ell_x) & x \in x_{\le t} \\ \ell_x & \text{else} \end{cases}`;

export function TwoTexts() {
  const lab = useLab();
  const run = lab.current.value;
  const now = lastMeasured(run);
  const base = run.opened.before.writes;
  const own = lab.written.value;
  const [prompt, setPrompt] = useState("");
  return (
    <Picture
      name="texts"
      title="The same prompt, continued by both"
      lines={["write"]}
      equation={equation}
      caption={
        base === now.writes
          ? "The two texts are equal: so far nothing that the model says has changed. The likeliest token is taken each time, so that nothing is left to chance."
          : `Marked: where the adapted model, after step ${now.step}, leaves the base. The likeliest token is taken each time, and one that stands there already counts less.`
      }
    >
      <Pair prompt={run.opened.prompt} base={base} adapted={now.writes} step={now.step} />
      {own?.run === run && <Pair prompt={own.prompt} base={own.base} adapted={own.adapted} step={own.step} />}
      <form
        class="prompt"
        onSubmit={(event) => {
          event.preventDefault();
          if (prompt.trim()) void lab.write(prompt);
        }}
      >
        <input
          aria-label="Your own beginning"
          placeholder="Your own beginning"
          name="prompt"
          value={prompt}
          maxLength={200}
          onInput={(event) => setPrompt(event.currentTarget.value)}
        />
        <button type="submit" class="secondary">
          Continue it
        </button>
      </form>
    </Picture>
  );
}

interface PairProps {
  readonly prompt: string;
  readonly base: string;
  readonly adapted: string;
  readonly step: number;
}

function Pair({ prompt, base, adapted, step }: PairProps) {
  const [from, to] = [base, adapted].map((text) =>
    text.startsWith(prompt) ? text.slice(prompt.length) : text,
  );
  const same = sharedWords(from, to);
  return (
    <dl class="pair">
      <dt>Base</dt>
      <dd>
        <b>{prompt}</b>
        {from}
      </dd>
      <dt>After step {step}</dt>
      <dd>
        <b>{prompt}</b>
        {to.slice(0, same)}
        {same < to.length && (
          <mark>
            <Typed text={to.slice(same)} />
          </mark>
        )}
      </dd>
    </dl>
  );
}

/** Characters up to the first word in which two texts differ. */
function sharedWords(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  if (at === a.length && at === b.length) return at;
  return Math.max(0, b.lastIndexOf(" ", at - 1) + 1);
}
