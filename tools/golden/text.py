"""tokenizer.json and error_rates.json: strings against transformers' tokenizer and jiwer."""
import random

import jiwer
from transformers import WhisperTokenizerFast

import make_corpus
from golden.common import versions, write_json

PIECES = [
    "안녕하세요", "뷁", "쌰", "샾", "뭥", "똠방각하", "ㅋㅋㅋ", "ㅠㅠ", "ㄱㅏ", "\u1112\u1161\u11ab\u1100\u1173\u11af", "각\u0301", "한글날",
    "칠십 퍼센트", "70%", "3.14", "1,000,000", "2026-11-23", "12:34:56", "010-1234-5678", "１２３", "①②", "½", "٣", "九百", "Ⅳ",
    "Hello", "don't", "I'll've", "it's", "'tis", "'S", "we'RE", "can’t", "naïve", "Ünïcödé", "ﬁ", "ß", "İ", "Ελληνικά", "Привет",
    "日本語テキスト", "中文字符", "العربية", "עברית", "हिन्दी", "ไทย", "አማርኛ", "ქართული", "𐍈𐌰", "𝒳𝓎", "😀", "👨‍👩‍👧‍👦", "🇰🇷", "❤️", "👍🏽", "☃",
    " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200d", "\ufeff", "\u0000", "\u0001", "\u007f",
    "\u0085", "\u001c", "\u0301", "\u20dd", "\ufffd", "\ue000", "\U0010ffff", "!", "?!", "...", "…", "--", "—", "~", "\"", "'", "''", "(", ")",
    "[x]", "{y}", "<z>", "<|", "|>", "_", "__init__", "a_b", "$5", "€", "₩", "+", "=", "^", "`", "\\", "/", "@user", "#tag", "&amp;", "C++", "x²",
    "http://example.com/a?b=c&d=e#f", "foo.bar@baz.org", "CamelCaseWord", "ALLCAPS", "LibreOffice", "ARS", "TV", "12abc34", "a1b2", "é", "e\u0301",
]
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|ko|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>", "<|startofprev|>", "<|nospeech|>"]
RUNS = ["a", "A", " ", "  ", "ㅋ", "가", "1", "12", ".", "!", "-", "\n", "\t", " \n", "\u3000", "😀", "é", "\u0301", "'", "'s", "0", "_", "<", "\u00a0", "\x00"]


def random_string(rng):
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 6)))
    if kind == 1:
        return rng.choice(["", " "]) + " ".join(rng.choice(PIECES) for _ in range(rng.randint(1, 5))) + rng.choice(["", " ", "\n"])
    if kind == 2:
        return "".join(chr(rng.randint(0xAC00, 0xD7A3)) for _ in range(rng.randint(1, 8)))
    blocks = [(1, 0x7f), (0x80, 0x24f), (0x300, 0x36f), (0x1100, 0x11ff), (0x3000, 0x318f), (0x2000, 0x2bff), (0x4e00, 0x9fff), (0x1f300, 0x1faff)]
    return "".join(chr(rng.randint(*rng.choice(blocks))) for _ in range(rng.randint(1, 8)))


def texts(rng):
    sentences = make_corpus.sentences()
    rng.shuffle(sentences)
    out = [""] + PIECES + [f" {piece}" for piece in PIECES]
    out += [run * length for run in RUNS for length in (2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64)]
    out += ["가" + " " * length + "b" for length in range(2, 12)] + ["x" * 300, " " * 300, "ㅋ" * 120, "하" * 100, "3" * 200]
    for word in SPECIAL:
        out += [word, f"안녕{word}하세요", f"a {word} b", word + word]
    for words in sentences[:500]:
        raw, spoken = make_corpus.decorate(words, rng)
        out += [raw, " " + spoken]
    while len(out) < 2600:
        out.append(random_string(rng))
    return list(dict.fromkeys(out))


def tokenizer(model):
    reference = WhisperTokenizerFast(tokenizer_file=str(model / "tokenizer.json"))
    rng = random.Random(0)

    def decode(ids):
        return reference.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    cases = []
    for text in texts(rng):
        ids = reference(text, add_special_tokens=False).input_ids
        cases.append({"text": text, "ids": ids, "decoded": decode(ids)})

    # Sequences that stop inside a character, and bytes that never make one.
    partial = []
    for text in ["뷁뭥쌰", "😀👍🏽", "𐍈𝒳", "한\u1112각", "aé\ue000", "日ქአ"]:
        ids = reference(text, add_special_tokens=False).input_ids
        partial += [ids[:end] for end in range(1, len(ids))] + [ids[begin:] for begin in range(1, len(ids))]
    partial += [[rng.randrange(256) for _ in range(rng.randint(1, 6))] for _ in range(150)]
    partial += [[rng.randrange(50257) for _ in range(rng.randint(1, 8))] for _ in range(100)]
    partial += [[50258, 50264, 50359, 50363, 220, 50257], [50257]]
    write_json("tokenizer.json", {"versions": versions("transformers", "tokenizers"), "cases": cases,
                                  "partial": [{"ids": ids, "decoded": decode(ids)} for ids in partial]})


def spoil(text, rng):
    """A hypothesis as a recogniser might write it: letters and words exchanged, lost, doubled, run together."""
    letters = list(text)
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 12])):
        at = rng.randrange(len(letters)) if letters else 0
        action = rng.randrange(4)
        if action == 0 and letters:
            letters[at] = chr(rng.randint(0xAC00, 0xD7A3))
        elif action == 1 and letters:
            del letters[at]
        elif action == 2:
            letters.insert(at, rng.choice(" 가나다aB1"))
        else:
            letters[at:at] = rng.choice([list(" 네 "), list("이이이이"), [" "]])
    return "".join(letters)


def counts(result, rate):
    return {"rate": rate, "hits": result.hits, "substitutions": result.substitutions, "deletions": result.deletions,
            "insertions": result.insertions}


def score(reference, hypothesis):
    characters = jiwer.process_characters(reference, hypothesis)
    words = jiwer.process_words(reference, hypothesis)
    return {"characters": counts(characters, characters.cer), "words": counts(words, words.wer)}


def error_rates(_model):
    rng = random.Random(1)
    sentences = make_corpus.sentences()
    rng.shuffle(sentences)
    pairs = []
    for words in sentences[:190]:
        _, reference = make_corpus.decorate(words, rng)
        pairs.append((reference, spoil(reference, rng)))
    pairs += [("가", ""), ("가 나 다", ""), ("가나다", "라마바사아"), ("가 나", "가나"), ("가나", "가 나"), ("예", "예 예 예 예 예 예 예 예 예 예"),
              ("Hello world 123", "hello World 124"), ("같은 문장입니다", "같은 문장입니다"), ("abcdef", "fedcba"), ("나는 너는 그는", "그는 나는 너는")]
    letters = lambda text: "".join(c for c in text.lower() if c.isalnum())
    cases = []
    for reference, hypothesis in pairs:
        compact = jiwer.process_characters(letters(reference), letters(hypothesis))
        cases.append({"reference": reference, "hypothesis": hypothesis, **score(reference, hypothesis), "letters": counts(compact, compact.cer)})
    references, hypotheses = map(list, zip(*pairs))
    compact = jiwer.process_characters(list(map(letters, references)), list(map(letters, hypotheses)))
    write_json("error_rates.json", {
        "versions": versions("jiwer", "rapidfuzz"),
        "note": "characters: blanks kept, ends stripped; letters: lower case, letters and digits only; corpus: all pairs together",
        "cases": cases, "corpus": {**score(references, hypotheses), "letters": counts(compact, compact.cer)}})
