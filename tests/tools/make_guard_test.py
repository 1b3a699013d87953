#!/usr/bin/env python3
"""The English sentences of sori guard: each has one spelling and one end."""
import sys
import unittest
import wave
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import make_guard  # noqa: E402


class English(unittest.TestCase):
    def test_sentences_are_distinct_and_have_one_spelling(self):
        self.assertEqual(len(set(make_guard.SENTENCES)), 40)
        for sentence in make_guard.SENTENCES:
            self.assertRegex(sentence, r"^[A-Z][A-Za-z ,]+[.?]$")

    def test_sounds_are_mono_at_16_khz(self):
        with wave.open(BytesIO(make_guard.sound(b"\1\0\2\0")), "rb") as file:
            self.assertEqual(file.getparams()[:4], (1, 2, 16000, 2))
            self.assertEqual(file.readframes(2), b"\1\0\2\0")


if __name__ == "__main__":
    unittest.main()
