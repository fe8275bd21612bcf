/** @file "Merging costs nothing": the button, what it changed, and back. */
import { number } from "../parts/format.ts";
import { Picture } from "../parts/picture.tsx";
import { Symbols } from "../parts/symbols.tsx";
import { useLab } from "../state/lab.ts";
import { hasRank } from "../state/names.ts";
import { isAlive } from "../state/run.ts";

export function Merging() {
  const lab = useLab();
  const run = lab.current.value;
  const merged = run.merged.value;
  const isMerged = isAlive(run) && merged?.isMerged === true;
  const isPlain = !hasRank(run.controls.method);
  return (
    <section id="merging">
      <h2>Merging costs nothing</h2>
      <p>
        While it trains, the adapter is a detour: x goes through A and B beside W₀. But W₀x + ΔWx is (W₀ +
        ΔW)x. So once training is over, the sum can be formed: one matrix, as large as before, and no detour.
        The adapted model has as many weights as the base then, and does as much work for a token. And since
        the layer keeps its original weights, taking the adapter out again gives back every byte.
      </p>
      <Picture
        name="merge"
        title="Merge, compare, unmerge"
        equation={String.raw`W_0 x + \Delta W x = (W_0 + \Delta W)\, x`}
        lines={["merge", "unmerge"]}
        caption={
          merged
            ? "The two differ only in how they round: the same sum, in another order. Times are the fastest of several."
            : "Train a few steps, then merge."
        }
      >
        <p class="buttons">
          <button
            type="button"
            data-part="merge-button"
            disabled={isMerged || lab.busy.value !== null}
            onClick={() => void lab.merge()}
          >
            Merge
          </button>
          <button
            type="button"
            class="secondary"
            data-part="unmerge-button"
            disabled={!isMerged || lab.busy.value !== null}
            onClick={() => void lab.unmerge()}
          >
            Unmerge
          </button>
        </p>
        <dl class="figures" aria-live="polite">
          <Figure
            name="A layer computes"
            value={isPlain ? "W x" : isMerged ? "(W₀ + ΔW) x" : "W₀x + ΔWx"}
            note={isPlain || isMerged ? "one matrix" : "three: W₀, A, B"}
          />
          <Figure
            name="max |h_adapted − h_merged|"
            value={merged ? number(merged.difference) : "–"}
            note={merged && `of logits up to ${number(merged.largest)}`}
          />
          <Figure
            name="Time per token"
            value={merged ? `${number(merged.perToken.adapted)} → ${number(merged.perToken.merged)} ms` : "–"}
            note={merged && "adapted → merged"}
          />
          <Figure
            name="Weights after unmerging"
            value={
              merged?.restored === true
                ? "the same, byte for byte"
                : merged?.restored === false
                  ? "not the same"
                  : "–"
            }
          />
        </dl>
      </Picture>
    </section>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly note?: string | null | false;
}

/** A number with its name. */
export function Figure({ name, value, note }: FigureProps) {
  return (
    <div>
      <dt>
        <Symbols>{name}</Symbols>
      </dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}
