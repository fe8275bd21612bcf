/**
 * @file Byte-pair encoding (Sennrich et al., 2016, arXiv:1508.07909) over bytes (Radford et al., 2019): learns the merges
 * of a tokenizer from a text, and writes them as Hugging Face's tokenizer.json.
 *
 *     words of the text, each a row of bytes;  then, until the vocabulary is full:
 *     the pair of neighbours that is most frequent becomes one symbol, everywhere
 */

/** GPT-2's pattern of words: contractions, letters, digits and other characters, each with the space before it. */
const WORD = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

export const END_OF_TEXT = "<|endoftext|>";

/** Each of the 256 bytes as a visible character, as GPT-2 chose them. */
const characters: readonly string[] = (() => {
  const isVisible = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isVisible(byte) ? byte : next++));
})();

/** A pair of neighbouring symbols. */
type Pair = readonly [left: string, right: string];

/**
 * Learns a vocabulary of `size` tokens: the end-of-text token, the 256 bytes, and `size − 257` merges, the most frequent
 * pair first; of equally frequent ones the first in the order of code units.
 */
export function learnMerges(text: string, size: number): Pair[] {
  const counts = new Map<string, number>();
  for (const [word] of text.matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words = Array.from(counts, ([word, count]) => ({
    symbols: Array.from(new TextEncoder().encode(word), (byte) => characters[byte]),
    count,
  }));
  const merges: Pair[] = [];
  while (merges.length < size - 257) {
    const pairs = new Map<string, number>();
    for (const { symbols, count } of words)
      for (let i = 1; i < symbols.length; i++) {
        const key = `${symbols[i - 1]} ${symbols[i]}`;
        pairs.set(key, (pairs.get(key) ?? 0) + count);
      }
    let [best, most] = ["", 0];
    for (const [key, count] of pairs)
      if (count > most || (count === most && key < best)) [best, most] = [key, count];
    if (most < 2)
      throw new Error(`bpe: the text is too short for ${size} tokens: ${merges.length} merges found`);
    const pair = best.split(" ") as unknown as Pair;
    merges.push(pair);
    for (const word of words) word.symbols = merged(word.symbols, pair);
  }
  return merges;
}

/** The symbols of a word after the pair became one, wherever it stands, from the left. */
function merged(symbols: string[], [left, right]: Pair): string[] {
  if (!symbols.includes(left)) return symbols;
  const result: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const isPair = symbols[i] === left && symbols[i + 1] === right;
    result.push(isPair ? left + right : symbols[i]);
    if (isPair) i++;
  }
  return result;
}

/** The files of a tokenizer with these merges. */
export function tokenizerFiles(merges: readonly Pair[], contextLength: number): Record<string, string> {
  const tokens = [END_OF_TEXT, ...characters, ...merges.map(([left, right]) => left + right)];
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [{ id: 0, content: END_OF_TEXT, ...special }],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: END_OF_TEXT,
    eos_token: END_OF_TEXT,
    pad_token: END_OF_TEXT,
    padding_side: "left",
    model_max_length: contextLength,
    clean_up_tokenization_spaces: false,
  };
  return {
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": `${JSON.stringify(config, null, 2)}\n`,
  };
}
