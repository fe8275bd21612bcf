/** @file Symbols in a line of text: "d_in" with its index set low. */

/** A sign, or a short word, with an index behind an underscore. */
const INDEXED = /([\p{L}])_([\p{L}]+)/u;

export function Symbols({ children }: { readonly children: string }) {
  const parts = children.split(new RegExp(INDEXED, "gu")); // text, sign, index, text, …
  return (
    <>
      {parts.map((part, i) =>
        i % 3 === 2 ? (
          <sub key={`${i} ${part}`}>{part}</sub>
        ) : i % 3 === 1 ? (
          <i key={`${i} ${part}`}>{part}</i>
        ) : (
          part
        ),
      )}
    </>
  );
}
