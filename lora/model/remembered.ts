/**
 * @file Values computed once and kept beside their owner until what they were computed from changes. A copy of the owner
 * (`cloneModule`) has none: it computes its own.
 */

/** Gives `make()`, or what it gave before for this owner when `of` has the same entries. */
export function remembered<T>(): (owner: object, of: readonly unknown[], make: () => T) => T {
  const kept = new WeakMap<object, { readonly of: readonly unknown[]; readonly value: T }>();
  return (owner, of, make) => {
    const before = kept.get(owner);
    if (before?.of.every((part, i) => part === of[i])) return before.value;
    const value = make();
    kept.set(owner, { of, value });
    return value;
  };
}
