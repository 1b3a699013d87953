#!/usr/bin/env python3
"""Makes a Korean speech corpus in the layout of KsponSpeech: sentences of Debian's Korean help pages, spoken by espeak-ng.

usage: make_corpus.py OUT [--train 2000] [--dev 100] [--eval 200] [--seed 0] [--unseen-voices] [--conditions noise,band] [--table FILE]

Layout: 16 kHz mono s16le .pcm without a header, a CP949 .txt beside each training file, UTF-8 .trn lists; evaluation files end in
a surplus byte and have no .txt, as in the original. The transcripts carry noise labels, fillers, repeated starts and
(spelling)/(pronunciation) pairs; what is spoken is exactly the pronunciation side. No sentence stands in two splits. The same
arguments give the same bytes; what exists is not made again. --unseen-voices has evaluation spoken by voices that training never hears.
--conditions: the evaluation files once more as eval_noise (pink noise, 10 dB below the speech) and eval_band (300 - 3400 Hz, as by
radio). --table also writes "path<TAB>spoken text", train first, then eval.
"""
import argparse
import array
import json
import math
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

HELP = Path("/usr/share/libreoffice/help/ko/text")
RATE = 16000
VOICES = [f"ko+{sex}{number}" for sex in "mf" for number in range(1, 5)]
UNSEEN_VOICES = [f"ko+{voice}" for voice in ("m5", "m6", "m7", "m8", "f5", "klatt2", "steph", "max")]
POOL = 1000  # sentences set apart for eval, and as many for dev, so that the splits do not move when their sizes change

FILLERS = ["아", "음", "그", "어", "저", "에"]
LABELS = ["b/", "n/", "l/", "o/"]
COLLOQUIAL = {"것은": "건", "것을": "걸", "것이": "게", "무엇을": "뭘", "때문에": "때매", "그러나": "근데", "조금": "쫌"}
LATIN = {"LibreOffice": "리브레오피스", "Office": "오피스", "Calc": "캘크", "Basic": "베이직", "Writer": "라이터", "Impress": "임프레스",
         "Draw": "드로우", "Math": "매쓰", "Base": "베이스", "Java": "자바", "Microsoft": "마이크로소프트", "Excel": "엑셀", "Word": "워드",
         "Windows": "윈도우", "Shift": "쉬프트", "Enter": "엔터", "Alt": "알트", "Tab": "탭", "Esc": "이에스씨", "Internet": "인터넷"}
LETTERS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                   "에이 비 씨 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 알 에스 티 유 브이 더블유 엑스 와이 제트".split()))

SINO = ["", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"]
NATIVE_ONES = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]
NATIVE_TENS = ["", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"]
NATIVE_UNITS = ["번째", "가지", "개", "명"]
SINO_UNITS = ["개월", "진수", "차원", "달러", "퍼센트", "자리", "비트", "년", "월", "일", "도", "회", "자", "초", "분"]


class Blocks(HTMLParser):
    """The text of a page, one block element a line."""

    BREAKS = {"p", "h1", "h2", "h3", "h4", "h5", "td", "th", "li", "div", "dt", "dd", "title", "br"}

    def __init__(self):
        super().__init__()
        self.parts = []

    def handle_starttag(self, tag, attrs):
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag in self.BREAKS:
            self.parts.append("\n")

    def handle_data(self, data):
        self.parts.append(data.replace("\n", " "))


def read_number(value):
    """1 - 9999 in Sino-Korean: 2001 -> 이천일."""
    out = ""
    for place, name in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = value // place % 10
        if digit:
            out += ("" if digit == 1 and name else SINO[digit]) + name
    return out


def number_word(digits, rest):
    """(raw, spoken) of a number and what is attached to it: ("3", "개의") -> ("(3개)/(세 개)의", "세 개의"); None when unsure."""
    value = int(digits)
    if not 1 <= value <= 9999 or str(value) != digits:
        return None
    if rest.startswith("%"):
        return f"({digits}%)/({read_number(value)} 퍼센트){rest[1:]}", f"{read_number(value)} 퍼센트{rest[1:]}"
    # The longest: 3개월 is months, not pieces.
    unit = max(filter(rest.startswith, NATIVE_UNITS + SINO_UNITS), key=len, default="")
    reading = read_number(value)
    if unit in NATIVE_UNITS and value < 100:
        # Twenty loses its last consonant before a counter: 스무 개.
        reading = "스무" if value == 20 else NATIVE_TENS[value // 10] + NATIVE_ONES[value % 10]
        if unit == "번째" and value == 1:
            reading = "첫"
    if unit == "월" and value in (6, 10):
        return f"({digits}월)/({'유월' if value == 6 else '시월'}){rest[1:]}", f"{'유월' if value == 6 else '시월'}{rest[1:]}"
    pronounced = f"{reading} {unit}".strip()
    return f"({digits}{unit})/({pronounced}){rest[len(unit):]}", pronounced + rest[len(unit):]


def latin_word(word, rest):
    """(raw, spoken) of a name or an abbreviation: ("HTML", "을") -> ("(HTML)/(에이치 티 엠 엘)을", "에이치 티 엠 엘을")."""
    if word in LATIN:
        reading = LATIN[word]
    elif word.isupper() and 2 <= len(word) <= 4:
        reading = " ".join(LETTERS[letter] for letter in word)
    else:
        return None
    return f"({word})/({reading}){rest}", reading + rest


def parse(sentence):
    """The words of a sentence as (raw, spoken), or None when one of them has no certain reading."""
    words = []
    for word in sentence.split():
        match = re.fullmatch(r"([0-9]*)([A-Za-z]*)([%가-힣]*)([,.?]?)", word)
        if not match or not word.strip(",.?"):
            return None
        digits, latin, rest, mark = match.groups()
        if "%" in rest and not (digits and rest.find("%", 1) < 0 and rest[0] == "%"):
            return None
        if digits and latin:
            return None
        pair = number_word(digits, rest) if digits else latin_word(latin, rest) if latin else (rest, rest)
        if pair is None:
            return None
        words.append((pair[0] + mark, pair[1]))
    return words


def sentences():
    """Distinct sentences of 10 - 42 Hangul syllables; two that differ only in marks and blanks count as one."""
    found = {}
    for page in sorted(HELP.rglob("*.html")):
        blocks = Blocks()
        blocks.feed(page.read_text("utf-8"))
        for line in "".join(blocks.parts).split("\n"):
            for sentence in re.split(r"(?<=[.?!])\s+", line.strip()):
                sentence = re.sub("[\"“”‘’']", "", sentence)
                if 10 <= len(re.findall("[가-힣]", sentence)) <= 42 and (words := parse(sentence)):
                    found.setdefault("".join(filter(str.isalnum, sentence)), words)
    return list(found.values())


def decorate(words, rng):
    """Adds what real transcripts have: colloquial forms, fillers, repeated starts, unclear words, noise labels."""
    out = []
    for raw, spoken in words:
        plain = raw == spoken
        if plain and spoken in COLLOQUIAL and rng.random() < 0.5:
            raw, spoken = f"({spoken})/({COLLOQUIAL[spoken]})", COLLOQUIAL[spoken]
        elif plain and len(spoken) >= 4 and rng.random() < 0.005:
            out.append((spoken[:2] + "+", spoken[:2]))
        elif plain and rng.random() < 0.005:
            raw += "*"
        out.append((raw, spoken))
    if rng.random() < 0.2:
        filler = rng.choice(FILLERS)
        out.insert(rng.choice([0, 0, rng.randrange(len(out))]), (filler + "/", filler))
    if rng.random() < 0.2:
        out.insert(0, (rng.choice(LABELS), ""))
    if rng.random() < 0.3:
        out.append((rng.choice(LABELS), ""))
    return " ".join(raw for raw, _ in out), " ".join(spoken for _, spoken in out if spoken)


def path_of(split, index, condition="clean"):
    """The original's names: ids from 1 in folders of 1,000, dev from 620,001, evaluation files E00001 onwards."""
    if split == "eval":
        return f"KsponSpeech_eval/eval_{condition}/KsponSpeech_E{index + 1:05}.pcm"
    number = index + (620001 if split == "dev" else 1)
    part = "05" if split == "dev" else "01"
    return f"KsponSpeech_{part}/KsponSpeech_{(number - 1) // 1000 + 1:04}/KsponSpeech_{number:06}.pcm"


def write(path, data):
    """Under a temporary name first: a file with its own name is always complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


RAW = ["-t", "raw", "-r", str(RATE), "-e", "signed-integer", "-b", "16", "-c", "1"]


def sox(data, *arguments):
    """What sox makes of these bytes; no dither, so that the bytes are the same every time."""
    return subprocess.run(["sox", "-D", *arguments], input=data, check=True, capture_output=True).stdout


def speak(text, rng, voices=VOICES):
    """16 kHz s16le samples; a little headroom for the filter."""
    voice = ["espeak-ng", "--stdout", "-v", rng.choice(voices), "-s", str(rng.randint(125, 160)), "-p", str(rng.randint(35, 65)), "--", text]
    spoken = subprocess.run(voice, check=True, capture_output=True).stdout
    return sox(spoken, "--ignore-length", "-t", "wav", "-", *RAW, "-", "vol", "0.9")


def samples(data):
    return array.array("h", data[:len(data) // 2 * 2])


def add_noise(speech, noise, rng, decibels):
    """A part of `noise`, so many decibels below the speech (ratio of mean squares), added; both s16le."""
    voice = samples(speech)
    start = rng.randrange(max(1, len(noise) - len(voice)))
    part = noise[start:start + len(voice)]
    power = lambda x: sum(v * v for v in x) / max(1, len(x))  # noqa: E731
    gain = math.sqrt(power(voice) / max(power(part), 1e-9) / 10 ** (decibels / 10))
    mixed = (max(-32768, min(32767, round(v + gain * n))) for v, n in zip(voice, part))
    return array.array("h", mixed).tobytes()


def pink_noise(seconds=120):
    """The same every time: sox begins its noise anew in each process (-R, its default)."""
    return samples(sox(b"", "-R", "-n", *RAW, "-", "synth", str(seconds), "pinknoise", "vol", "0.5"))


def by_radio(speech):
    return sox(speech, *RAW, "-", *RAW, "-", "sinc", "300-3400")


class Utterance:
    def __init__(self, split, index, words, seed, voices=VOICES):
        self.rng = random.Random(f"{seed}/{split}/{index}")
        self.seed, self.split, self.index, self.voices = seed, split, index, voices
        self.path = path_of(split, index)
        self.raw, self.spoken = decorate(words, self.rng)

    def make(self, out):
        target = out / self.path
        if self.split != "eval":
            write(target.with_suffix(".txt"), (self.raw + "\n").encode("cp949"))
        if not target.exists():
            write(target, speak(self.spoken, self.rng, self.voices) + (b"\0" if self.split == "eval" else b""))

    def make_condition(self, out, condition, noise):
        target = out / path_of(self.split, self.index, condition)
        if target.exists():
            return
        speech = (out / self.path).read_bytes()[:-1]
        rng = random.Random(f"{self.seed}/{condition}/{self.index}")
        write(target, (add_noise(speech, noise, rng, 10) if condition == "noise" else by_radio(speech)) + b"\0")


def utterances(sizes, seed, unseen_voices=False):
    pool = sentences()
    random.Random(seed).shuffle(pool)
    parts = {"eval": pool[:POOL], "dev": pool[POOL:2 * POOL], "train": pool[2 * POOL:]}
    out = {}
    for split, size in sizes.items():
        if size > len(parts[split]):
            sys.exit(f"make_corpus: there are only {len(parts[split])} sentences for {split}; ask for fewer than {size}")
        voices = UNSEEN_VOICES if split == "eval" and unseen_voices else VOICES
        out[split] = [Utterance(split, i, words, seed, voices) for i, words in enumerate(parts[split][:size])]
    return out


def claim(out, recipe):
    """A folder holds the corpus of one recipe: sounds of another are never taken for ours."""
    stamp = out / "corpus.json"
    if stamp.exists() and json.loads(stamp.read_text()) != recipe:
        sys.exit(f"make_corpus: {out} holds a corpus made otherwise; give another folder or remove it")
    write(stamp, (json.dumps(recipe) + "\n").encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name, size in (("train", 2000), ("dev", 100), ("eval", 200), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--unseen-voices", action="store_true")
    parser.add_argument("--conditions", default="", help="noise,band")
    parser.add_argument("--table", type=Path)
    args = parser.parse_args()
    if not HELP.is_dir():
        sys.exit("make_corpus: the package libreoffice-help-ko is missing; run scripts/bootstrap.sh")

    conditions = [c for c in args.conditions.split(",") if c]
    if not set(conditions) <= {"noise", "band"}:
        sys.exit(f"make_corpus: --conditions {args.conditions} knows noise and band")

    claim(args.out, {"version": 1, "seed": args.seed} | ({"unseen_voices": True} if args.unseen_voices else {}))
    made = utterances({"train": args.train, "dev": args.dev, "eval": args.eval}, args.seed, args.unseen_voices)
    everything = [utterance for split in made.values() for utterance in split]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(lambda utterance: utterance.make(args.out), everything), 1):
            if done % 500 == 0:
                print(f"{done} of {len(everything)} utterances", file=sys.stderr)
    noise = pink_noise() if "noise" in conditions else None
    for condition in conditions:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda utterance: utterance.make_condition(args.out, condition, noise), made["eval"]))
        lines = (f"{path_of('eval', u.index, condition)} :: {u.raw}\n" for u in made["eval"])
        write(args.out / f"eval_{condition}.trn", "".join(lines).encode())
    for split, name in (("train", "train"), ("dev", "dev"), ("eval", "eval_clean")):
        write(args.out / f"{name}.trn", "".join(f"{u.path} :: {u.raw}\n" for u in made[split]).encode())
    if args.table:
        root = os.path.relpath(args.out, args.table.parent)
        rows = (f"{os.path.normpath(os.path.join(root, u.path))}\t{u.spoken}\n" for u in made["train"] + made["eval"])
        write(args.table, "".join(rows).encode())
    hours = sum((args.out / u.path).stat().st_size for u in everything) / 2 / RATE / 3600
    print(f"{args.out}: {', '.join(f'{len(part)} {split}' for split, part in made.items())}, {hours:.2f} h")


if __name__ == "__main__":
    main()
