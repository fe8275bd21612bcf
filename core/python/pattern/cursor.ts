/** @file A place in the source of an expression that moves forward as it is parsed. */

import { LowrankError } from "../../errors.ts";

export class Cursor {
  /** The characters of the source: a character outside the basic plane is one. */
  readonly source: readonly string[];
  at = 0;

  constructor(source: string) {
    this.source = Array.from(source);
  }

  /** The next character; undefined at the end. */
  get next(): string | undefined {
    return this.source[this.at];
  }

  get isAtEnd(): boolean {
    return this.at >= this.source.length;
  }

  /** Whether `text` comes next. */
  peek(text: string): boolean {
    return Array.from(text).every((c, i) => this.source[this.at + i] === c);
  }

  /** Goes past `text` if it comes next. @returns whether it did */
  take(text: string): boolean {
    if (!this.peek(text)) return false;
    this.at += Array.from(text).length;
    return true;
  }

  /** The characters up to `end`, and goes past it. */
  until(end: string): string {
    const from = this.at;
    while (!this.isAtEnd && !this.peek(end)) this.at++;
    const text = this.source.slice(from, this.at).join("");
    if (!this.take(end)) this.fail(`a closing ${end}`);
    return text;
  }

  /** As many characters of `set` as come next, at most `most` of them. */
  while(set: RegExp, most: number): string {
    const from = this.at;
    while (this.at - from < most && set.test(this.next ?? "")) this.at++;
    return this.source.slice(from, this.at).join("");
  }

  /** @throws LowrankError saying what was expected here; the caller says that it is about an expression */
  fail(expected: string): never {
    throw new LowrankError(`${expected} (position ${this.at})`);
  }
}
