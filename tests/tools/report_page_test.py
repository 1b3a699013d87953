#!/usr/bin/env python3
"""The page of `sori report` as a browser reads it, with scripts and without, in both languages.

usage: report_page_test.py SORI
"""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SORI = sys.argv.pop(1)
STUDY = Path(__file__).resolve().parents[1] / "report/study"
SECTIONS = {
    "en": ["In short", "Memory", "Character error rate and steps", "What accuracy costs", "Compared with full fine-tuning",
           "All results", "How the learning rates were chosen", "Learning curves", "What failed", "What must not get worse",
           "Examples", "How this was made"],
    "ko": ["요약", "메모리", "문자 오류율과 학습 단계", "정확도의 비용", "전체 미세조정과의 비교", "전체 결과", "학습률 선택",
           "학습 곡선", "실패한 실행", "나빠지면 안 되는 것", "예시", "재현 정보"],
}


GUARD = {
    "en": ["silence and very soft noise", "letters per minute", "texts that end in a mark: 25.00 % of the transcripts"],
    "ko": ["무음과 아주 작은 잡음", "분당 글자 수", "문장 부호로 끝나는 글: 정답의 25.00 %가"],
}


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def report(self, *options, page="study.html"):
        return subprocess.run([SORI, "report", STUDY, self.folder / page, *options], capture_output=True, text=True)

    def open(self):
        """What Chromium makes of the page, and what it complains about."""
        result = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.folder}/profile",
             "--enable-logging=stderr", "--dump-dom", f"file://{self.folder}/study.html"],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]

    def allow_scripts(self, which):
        page = self.folder / "study.html"
        html = page.read_text()
        start, end = html.index("script-src "), html.index("; base-uri")
        page.write_text(html[:start] + f"script-src {which}" + html[end:])

    def check(self, lang, dom):
        self.assertIn(f'<html lang="{lang}">', dom)
        for title in SECTIONS[lang]:
            self.assertIn(f"<h2>{title}</h2>", dom)
        self.assertEqual(dom.count("<svg viewBox="), 3 + 2 + 4 + 4)
        self.assertIn("LoRA &amp; &lt;full&gt; on 4 bits</h1>", dom)
        self.assertIn('<td class="n">4.25 % (3.91 – 4.60)</td>', dom)
        for words in GUARD[lang]:
            self.assertIn(words, dom)
        self.assertIn("<del>", dom)

    def test_a_browser_reads_it_in_both_languages_with_scripts_and_without(self):
        for lang in SECTIONS:
            with self.subTest(lang):
                self.assertEqual(self.report("--lang", lang, "--show-text").returncode, 0)
                dom, complaints = self.open()
                self.assertEqual(complaints, [])  # of a script or style that the page's own policy keeps out
                self.check(lang, dom)
                self.allow_scripts("'none'")
                dom, complaints = self.open()
                self.assertEqual(len(complaints), 1, complaints)  # of the script
                self.check(lang, dom)

    def test_a_script_shows_what_lies_under_the_pointer(self):
        self.assertEqual(self.report().returncode, 0)
        page = self.folder / "study.html"
        html = page.read_text()
        # A browser without a hand: the page points at its first mark.
        poke = 'document.querySelector(".h").dispatchEvent(new PointerEvent("pointerenter", {clientX: 9, clientY: 99}));'
        page.write_text(html.replace("</body>", f"<script>{poke}</script></body>"))
        self.allow_scripts("'unsafe-inline'")
        dom, _ = self.open()
        self.assertIn('class="shown"', dom)

    def test_the_twin_lies_beside_it_and_replaces_only_its_like(self):
        result = self.report()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("# Report: LoRA \\& \\<full\\> on 4 bits", (self.folder / "study.md").read_text())
        self.assertEqual(self.report("--lang", "ko").returncode, 0)
        (self.folder / "README.md").write_text("mine")
        refused = self.report(page="README.html")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("is not a report of sori", refused.stderr)
        self.assertEqual((self.folder / "README.md").read_text(), "mine")
        self.assertFalse((self.folder / "README.html").exists())

    def test_a_page_has_a_pages_name(self):
        refused = self.report(page="study.txt")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("does not end in .html", refused.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
