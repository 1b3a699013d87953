#!/usr/bin/env python3
"""The table that closes quickstart.sh, and the error rate that a full run must reach."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools/quickstart_table.py"


def table(rate_after, *options):
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "before.json").write_text(json.dumps({"cer": {"rate": 1.636}}))
        (work / "train.json").write_text(json.dumps({"seconds_per_step": 1.994, "peak_resident_bytes": 2**30}))
        (work / "after.json").write_text(json.dumps({"cer": {"rate": rate_after}}))
        return subprocess.run([sys.executable, TOOL, work, *options], capture_output=True, text=True)


class Table(unittest.TestCase):
    def test_it_shows_both_rates_seconds_and_memory(self):
        result = table(0.042)
        for text in ("CER before        163.6 %", "CER after         4.2 %", "1.99", "1.00 GiB"):
            self.assertIn(text, result.stdout)
        self.assertEqual(result.returncode, 0)

    def test_only_a_run_that_is_judged_can_fail(self):
        self.assertEqual(table(0.9).returncode, 0)
        self.assertEqual(table(0.06, "--highest-cer", "6").returncode, 0)
        for rate in (0.0601, float("nan")):
            result = table(rate, "--highest-cer", "6")
            self.assertEqual(result.returncode, 1)
            self.assertIn("CER after", result.stdout)  # the table is shown all the same
            self.assertIn("above 6 %", result.stderr)


if __name__ == "__main__":
    unittest.main()
