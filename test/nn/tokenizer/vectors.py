"""Writes vectors.json: small tokenizers of every kind, and what the tokenizers library of Hugging Face does with them.

    pip install tokenizers==0.23.2
    python test/nn/tokenizer/vectors.py
"""

import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

rng = random.Random(1)
corpus = [
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with the other girls. "
    "One day, they saw a big, red ball there: \"Let's play!\" It's 3.14 or 2718; they don't know. "
    "naïve café Grüße 你好世界 これは日本語 Привет 🎉👍🏽 f(x):\n\treturn x + 1\n"
]
special = ["<unk>", "<s>", "</s>"]
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
all_bytes = sorted(pre_tokenizers.ByteLevel.alphabet())


def trained(model, trainer, normalizer=None, pre_tokenizer=None, decoder=None, post_processor=None):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    if decoder:
        tokenizer.decoder = decoder
    tokenizer.train_from_iterator(corpus, trainer)
    if post_processor:
        tokenizer.post_processor = post_processor
    return tokenizer


def bpe(size, **options):
    return trainers.BpeTrainer(vocab_size=size, show_progress=False, **options)


def byte_level(**parts):
    trainer = bpe(300, initial_alphabet=all_bytes, special_tokens=["<|endoftext|>"])
    return trained(models.BPE(), trainer, decoder=decoders.ByteLevel(), **parts)


def byte_fallback(**parts):
    """Pieces of sentencepiece, with a token for each byte."""
    source = trained(
        models.BPE(unk_token="<unk>"),
        bpe(330, special_tokens=special + ["<0x%02X>" % byte for byte in range(256)], limit_alphabet=40),
        pre_tokenizer=pre_tokenizers.Metaspace(),
    )
    made = json.loads(source.to_str())
    made["model"].update(byte_fallback=True, fuse_unk=True)
    made["added_tokens"] = [token for token in made["added_tokens"] if token["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(made))
    tokenizer.pre_tokenizer = parts.get("pre_tokenizer")
    if "normalizer" in parts:
        tokenizer.normalizer = parts["normalizer"]
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def roberta():
    tokenizer = byte_level(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True), "<s>", "</s>"])
    ids = [(token, tokenizer.token_to_id(token)) for token in ["</s>", "<s>"]]
    tokenizer.post_processor = processors.RobertaProcessing(*ids)
    return tokenizer


def added():
    tokenizer = byte_level(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.add_tokens(
        [
            AddedToken("foo", single_word=True),
            AddedToken("bar", lstrip=True, rstrip=True),
            AddedToken("  ", normalized=False),
            "longer token",
            "long",
        ]
    )
    return tokenizer


def unigram_bytes():
    trainer = trainers.UnigramTrainer(vocab_size=110, special_tokens=special, unk_token="<unk>", show_progress=False)
    source = trained(models.Unigram(), trainer, pre_tokenizer=pre_tokenizers.Metaspace(split=False))
    made = json.loads(source.to_str())
    made["model"]["vocab"] += [["<0x%02X>" % byte, -20.0] for byte in range(256)]
    made["model"]["byte_fallback"] = True
    tokenizer = Tokenizer.from_str(json.dumps(made))
    tokenizer.normalizer = normalizers.NFKD()
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def word_piece(lowercase):
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return trained(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20),
        trainers.WordPieceTrainer(vocab_size=150, special_tokens=names, show_progress=False),
        normalizers.BertNormalizer(lowercase=lowercase),
        pre_tokenizers.BertPreTokenizer(),
        decoders.WordPiece(cleanup=lowercase),
        processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
    )


def words(behavior, invert):
    split = pre_tokenizers.Split(Regex(r"[aeiou]|\s"), behavior, invert=invert)
    parts = [split, pre_tokenizers.Digits(individual_digits=invert), pre_tokenizers.Punctuation(behavior)]
    trainer = trainers.WordLevelTrainer(vocab_size=1000, special_tokens=["[UNK]"], show_progress=False)
    return trained(models.WordLevel(unk_token="[UNK]"), trainer, None, pre_tokenizers.Sequence(parts))


def unigram():
    return trained(
        models.Unigram(),
        trainers.UnigramTrainer(vocab_size=110, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False),
        normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizers.Metaspace(),
        decoders.Metaspace(),
        processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]),
    )


llama3 = byte_level(
    normalizer=normalizers.NFC(),
    pre_tokenizer=pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT4), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
    post_processor=processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]),
        ]
    ),
)
prepended = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
tokenizers = {
    "byte-level BPE": byte_level(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "byte-level BPE with a prefix space": roberta(),
    "byte-level BPE with a regular expression": llama3,
    "byte-level BPE with added tokens": added(),
    "byte-fallback BPE": byte_fallback(normalizer=prepended),
    "byte-fallback BPE with words": byte_fallback(pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first")),
    "WordPiece": word_piece(True),
    "WordPiece with capitals": word_piece(False),
    "Unigram": unigram(),
    "Unigram with bytes": unigram_bytes(),
    "BPE with suffixes": trained(
        models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
        bpe(150, special_tokens=["<unk>"], end_of_word_suffix="</w>"),
        normalizers.Sequence([normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Strip()]),
        pre_tokenizers.Whitespace(),
        decoders.BPEDecoder(),
    ),
    "BPE with unknown characters": trained(
        models.BPE(unk_token="<unk>", fuse_unk=True),
        bpe(60, special_tokens=["<unk>"], limit_alphabet=30),
        pre_tokenizer=pre_tokenizers.WhitespaceSplit(),
    ),
    "BPE without unknown": trained(models.BPE(), bpe(100), pre_tokenizer=pre_tokenizers.CharDelimiterSplit("e")),
}
for behavior in ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]:
    tokenizers[f"words, {behavior}"] = words(behavior, False)
    tokenizers[f"words, {behavior}, inverted"] = words(behavior, True)

atoms = """Once upon a time|there|Lily|the|girls|don't|I'LL|3.14|1234|½|²|１|٣|,|...|?!| .| n't|_a_b|$x^2$|é|e\u0301|Σ|ΑΣ|İ|ß|ﬁ|
①|你好|\U00020000|\U0002b830|\U0002b930|日本|한국|मनीष|🎉|👍🏽|👨‍👩‍👧|\u0378|\ue000|\ufffd|\u200b|\ufeff|\u0085|\u00a0|\u3000|\u0301|\n|\r\n|\t|\0|\x08|\x0b|
\x7f|\u2028|▁|Ġ|<0x41>|<0xE2>|<s>|</s>|<unk>|<mask>|[MASK]|[UNK]|<|endoftext|>|foo|foobar|bar|longer token|longer|aaaaaaaaaaaaaaaaaaaaaaaaa""".replace("\n|", "|\n|").split("|")
atoms = [atom for atom in atoms if atom] + ["<|endoftext|>"]
texts = ["", " ", "  a  ", "\n\n", corpus[0]] + [
    "".join(rng.choice(atoms + [" "] * 20) for _ in range(rng.randint(2, 9))) for _ in range(28)
]

vectors = []
for name, tokenizer in tokenizers.items():
    size = tokenizer.get_vocab_size()
    cases = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append([" ".join(map(str, ids)), " ".join(map(str, plain)), tokenizer.decode(ids)])
    decoded = []
    for _ in range(12):
        ids = [rng.randrange(size) for _ in range(rng.randint(1, 9))]
        decoded.append([" ".join(map(str, ids)), tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=False)])
    vectors.append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "texts": cases, "ids": decoded})

target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors.json")
with open(target, "w", encoding="utf-8") as file:
    lines = [json.dumps(vector, ensure_ascii=False, separators=(",", ":")) for vector in vectors]
    file.write('{"texts":' + json.dumps(texts) + ',\n"tokenizers":[\n' + ",\n".join(lines) + "\n]}\n")
