/** @file A link of the text that sets controls: its address opens the page with them, a click sets them here. */
import type { ComponentChildren } from "preact";
import { addressOf } from "../../engine/address.ts";
import type { Controls } from "../../engine/types.ts";
import { suggestedWith } from "../state/changes.ts";
import { useLab } from "../state/lab.ts";

export function Choose({
  to,
  children,
}: {
  readonly to: Partial<Controls>;
  readonly children: ComponentChildren;
}) {
  const lab = useLab();
  const now = lab.controls.value;
  const isSet = (Object.keys(to) as (keyof Controls)[]).every((key) => now[key] === to[key]);
  return (
    <a
      class="set"
      href={addressOf({ ...now, ...suggestedWith(to, now), ...to })}
      aria-current={isSet || undefined}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        lab.set(to);
      }}
    >
      {children}
    </a>
  );
}
