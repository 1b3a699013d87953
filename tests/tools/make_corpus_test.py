#!/usr/bin/env python3
"""The corpus of quickstart.sh: readings of numbers and names, splits, and transcripts whose pronunciation is what is spoken."""
import array
import math
import random
import re
import shutil
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import make_corpus  # noqa: E402


def pronounced(raw):
    """The pronunciation side by the rules of KsponSpeech, for the marks that make_corpus writes."""
    text = re.sub(r"\(([^()]*)\)/\(([^()]*)\)", r"\2", raw)
    text = re.sub(r"(?<![A-Za-z])[bnlo]/", " ", text)
    return " ".join(re.sub(r"[/+*.,?]", "", text).split())


class Readings(unittest.TestCase):
    def test_numbers_are_read_as_koreans_read_them(self):
        for value, reading in {1: "일", 10: "십", 11: "십일", 20: "이십", 100: "백", 110: "백십", 2001: "이천일", 9999: "구천구백구십구"}.items():
            self.assertEqual(make_corpus.read_number(value), reading)

    def test_counters_take_native_numbers_and_other_units_do_not(self):
        for digits, rest, spoken in (("3", "개의", "세 개의"), ("20", "개", "스무 개"), ("1", "번째", "첫 번째"), ("12", "가지", "열두 가지"),
                                     ("100", "개", "백 개"), ("3", "년", "삼 년"), ("70", "%는", "칠십 퍼센트는"), ("6", "월에", "유월에"), ("10", "월", "시월"),
                                     ("3", "개월", "삼 개월"), ("1", "이", "일이")):
            self.assertEqual(make_corpus.number_word(digits, rest)[1], spoken)

    def test_numbers_without_a_certain_reading_are_refused(self):
        for digits in ("0", "007", "10000"):
            self.assertIsNone(make_corpus.number_word(digits, "개"))

    def test_a_sentence_with_an_unknown_word_is_refused(self):
        self.assertIsNone(make_corpus.parse("이 문장에는 Unknownword 있습니다."))
        self.assertIsNone(make_corpus.parse("괄호(안)도 읽을 수 없습니다."))
        self.assertEqual(make_corpus.parse("HTML을 엽니다."), [("(HTML)/(에이치 티 엠 엘)을", "에이치 티 엠 엘을"), ("엽니다.", "엽니다")])


class Conditions(unittest.TestCase):
    def test_noise_lies_so_many_decibels_below_the_speech(self):
        rng = random.Random(0)
        speech = array.array("h", (round(8000 * math.sin(i / 9)) for i in range(16000)))
        noise = array.array("h", (rng.randrange(-3000, 3000) for _ in range(40000)))
        mixed = array.array("h", make_corpus.add_noise(speech.tobytes(), noise, random.Random(1), 10))
        power = lambda x: sum(v * v for v in x) / len(x)  # noqa: E731
        added = power([m - s for m, s in zip(mixed, speech)])
        # Rounding to integers adds at most 1/4 to mean squares of millions.
        self.assertAlmostEqual(10 * math.log10(power(speech) / added), 10, places=3)
        again = make_corpus.add_noise(speech.tobytes(), noise, random.Random(1), 10)
        self.assertEqual(again, mixed.tobytes())

    @unittest.skipUnless(shutil.which("sox"), "sox is not installed")
    def test_radio_lets_speech_pass_and_not_what_is_below_or_above(self):
        power = lambda data: sum(v * v for v in make_corpus.samples(data))  # noqa: E731
        tone = lambda hertz: array.array("h", (round(8000 * math.sin(2 * math.pi * hertz * i / 16000)) for i in range(16000))).tobytes()  # noqa: E731
        self.assertGreater(power(make_corpus.by_radio(tone(1000))), 0.9 * power(tone(1000)))
        for hertz in (100, 5000):
            self.assertLess(power(make_corpus.by_radio(tone(hertz))), 0.01 * power(tone(hertz)))

    @unittest.skipUnless(shutil.which("sox"), "sox is not installed")
    def test_noise_is_the_same_every_time(self):
        self.assertEqual(make_corpus.pink_noise(1), make_corpus.pink_noise(1))

    def test_unseen_voices_are_none_of_the_others(self):
        self.assertFalse(set(make_corpus.UNSEEN_VOICES) & set(make_corpus.VOICES))


@unittest.skipUnless(make_corpus.HELP.is_dir(), "libreoffice-help-ko is not installed")
class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        pool = make_corpus.sentences()  # read once: thousands of pages
        cls.enterClassContext(mock.patch.object(make_corpus, "sentences", lambda: list(pool)))
        cls.made = make_corpus.utterances({"train": 2000, "dev": 100, "eval": 200}, seed=0)

    def test_what_is_spoken_is_the_pronunciation_side(self):
        marks = set()
        for utterance in self.made["train"]:
            self.assertEqual(pronounced(utterance.raw), utterance.spoken)
            self.assertRegex(utterance.spoken, r"^[가-힣 ]+$")
            utterance.raw.encode("cp949")
            marks |= {mark for mark in (")/(", "+", "*", "b/", "아/") if mark in utterance.raw}
        self.assertEqual(marks, {")/(", "+", "*", "b/", "아/"})

    def test_no_sentence_stands_in_two_splits(self):
        spoken = {split: {"".join(u.spoken.split()) for u in part} for split, part in self.made.items()}
        self.assertEqual([len(spoken[split]) for split in ("dev", "eval")], [100, 200])
        for one, other in (("train", "dev"), ("train", "eval"), ("dev", "eval")):
            self.assertFalse(spoken[one] & spoken[other])

    def test_a_smaller_corpus_is_the_beginning_of_a_larger_one(self):
        small = make_corpus.utterances({"train": 5, "dev": 5, "eval": 5}, seed=0)
        for split, part in small.items():
            self.assertEqual([(u.path, u.raw) for u in part], [(u.path, u.raw) for u in self.made[split][:5]])
        other = make_corpus.utterances({"train": 5, "dev": 5, "eval": 5}, seed=1)
        self.assertNotEqual([u.raw for u in other["train"]], [u.raw for u in small["train"]])

    def test_names_are_those_of_the_original(self):
        self.assertEqual(make_corpus.path_of("train", 1000), "KsponSpeech_01/KsponSpeech_0002/KsponSpeech_001001.pcm")
        self.assertEqual(make_corpus.path_of("dev", 0), "KsponSpeech_05/KsponSpeech_0621/KsponSpeech_620001.pcm")
        self.assertEqual(make_corpus.path_of("eval", 199), "KsponSpeech_eval/eval_clean/KsponSpeech_E00200.pcm")


if __name__ == "__main__":
    unittest.main()
