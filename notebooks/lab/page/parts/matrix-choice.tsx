/** @file Which matrix is looked at; and the wish to see it, while a picture that shows it is on the screen. */
import { useEffect, useRef } from "preact/hooks";
import { useLab } from "../state/lab.ts";

export function MatrixChoice() {
  const lab = useLab();
  const { matrices } = lab.current.value.opened;
  return (
    <label class="matrix-choice">
      <span>Matrix</span>
      <select
        name="matrix"
        value={lab.matrix.value}
        onChange={(event) => {
          lab.matrix.value = event.currentTarget.value;
          void lab.look();
        }}
      >
        {matrices.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Counts the element among those that need looks at the matrix while it is on the screen. */
export function useWatching<T extends Element>() {
  const lab = useLab();
  const place = useRef<T>(null);
  useEffect(() => {
    let isSeen = false;
    const tell = (now: boolean): void => {
      if (now === isSeen) return;
      isSeen = now;
      lab.watchers.value += now ? 1 : -1;
      if (now) void lab.look();
    };
    const observer = new IntersectionObserver(([entry]) => tell(entry.isIntersecting), {
      rootMargin: "100px",
    });
    if (place.current) observer.observe(place.current);
    return () => {
      observer.disconnect();
      tell(false);
    };
  }, []);
  return place;
}
