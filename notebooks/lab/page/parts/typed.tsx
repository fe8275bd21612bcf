/** @file A text that appears word by word when it changes, as a model writes it; at once where motion is unwelcome. */
import { useEffect, useState } from "preact/hooks";

/** Time for the whole text, in milliseconds. */
const DURATION = 900;

export function Typed({ text }: { readonly text: string }) {
  const [shown, setShown] = useState(text.length);
  useEffect(() => {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return setShown(text.length);
    const began = performance.now();
    let frame = requestAnimationFrame(function next(now) {
      const at = Math.min(1, (now - began) / DURATION) * text.length;
      const end = text.indexOf(" ", at);
      setShown(end < 0 ? text.length : end);
      if (at < text.length) frame = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(frame);
  }, [text]);
  return (
    <>
      {text.slice(0, shown)}
      <span class="unwritten">{text.slice(shown)}</span>
    </>
  );
}
