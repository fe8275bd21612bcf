/**
 * @file A cache of one value per owner, kept until what the value was computed from changes. A copy of the owner
 * (`cloneModule`) starts with an empty cache.
 */

/** A function that gives `make()`, or the value of the last call for this owner when `of` has the same entries. */
export function cached<T>(): (owner: object, of: readonly unknown[], make: () => T) => T {
  const kept = new WeakMap<object, { readonly of: readonly unknown[]; readonly value: T }>();
  return (owner, of, make) => {
    const before = kept.get(owner);
    if (before?.of.every((part, i) => part === of[i])) return before.value;
    const value = make();
    kept.set(owner, { of, value });
    return value;
  };
}
