"""What the runner makes of test programs that pass, fail, skip, crash, hang and lie. The programs are shell scripts
that write what Catch2 would."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import build_tree
import catch_program
import leaks
import report

PASSED = '<TestCase name="{}" filename="a.cc" line="1"><OverallResult success="true"/></TestCase>'
FAILED = ('<TestCase name="{}" filename="a.cc" line="2">'
          '<Expression success="false" type="CHECK" filename="a.cc" line="3">'
          '<Original>size == 2</Original><Expanded>1 == 2</Expanded></Expression>'
          '<OverallResult success="false"/></TestCase>')
CUT_OFF = f"<Catch>{PASSED.format('a')}<TestCase name=\"b\">"


class CatchProgramTest(unittest.TestCase):
    def run_program(self, xml, *, says="", ends="exit 0", timeout=20, case_filter=""):
        """Runs a script that gets --reporter xml --out FILE, writes `xml` there, prints `says`, and ends with `ends`."""
        with tempfile.TemporaryDirectory(prefix="ember-runner-") as folder:
            script = pathlib.Path(folder) / "program"
            script.write_text(f"cat >\"$4\" <<'XML'\n{xml}\nXML\ncat <<'SAYS'\n{says}\nSAYS\n{ends}\n")
            test = build_tree.TestProgram("program", {"unit"}, ["sh", script], {}, None)
            tally, text = catch_program.run(test, prefix=[], env={}, case_filter=case_filter, timeout=timeout)
        return (tally.passed, tally.failed, tally.skipped), text

    def test_counts_cases_not_programs(self):
        counts, _ = self.run_program(f"<Catch>{PASSED.format('a')}{PASSED.format('b')}</Catch>")
        self.assertEqual(counts, (2, 0, 0))

    def test_knows_the_root_element_of_catch_3(self):
        counts, _ = self.run_program(f"<Catch2TestRun>{PASSED.format('a')}</Catch2TestRun>")
        self.assertEqual(counts, (1, 0, 0))

    def test_a_failed_case_shows_its_place_and_values(self):
        counts, text = self.run_program(f"<Catch>{PASSED.format('a')}{FAILED.format('b')}</Catch>", ends="exit 1")
        self.assertEqual(counts, (1, 1, 0))
        self.assertIn("a.cc:3: CHECK size == 2  =>  1 == 2", text)

    def test_a_skipped_case_counts_as_skipped_with_its_reason(self):
        says = "SKIPPED: needs x: and y: no x: here"
        counts, text = self.run_program(f"<Catch>{PASSED.format('needs x: and y')}</Catch>", says=says)
        self.assertEqual(counts, (0, 0, 1))
        self.assertIn("SKIPPED: needs x: and y: no x: here", text)

    def test_a_crash_in_a_case_names_the_case(self):
        counts, text = self.run_program(CUT_OFF, says="last words", ends="kill -SEGV $$")
        self.assertEqual(counts, (1, 1, 0))
        self.assertIn("killed by SIGSEGV in 'b'", text)
        self.assertIn("last words", text)

    def test_a_program_that_exits_in_the_middle_of_a_case_failed(self):
        counts, _ = self.run_program(CUT_OFF, ends="exit 0")
        self.assertEqual(counts, (1, 1, 0))

    def test_a_program_that_writes_nothing_failed(self):
        self.assertEqual(self.run_program("", ends="exit 127")[0], (0, 1, 0))

    def test_a_bad_end_after_good_cases_failed(self):
        counts, text = self.run_program(f"<Catch>{PASSED.format('a')}</Catch>", says="leak of 7 bytes", ends="exit 23")
        self.assertEqual(counts, (1, 1, 0))
        self.assertIn("leak of 7 bytes", text)

    def test_a_program_that_hangs_is_ended_and_failed(self):
        counts, text = self.run_program(CUT_OFF, ends="sleep 60", timeout=0.5)
        self.assertEqual(counts, (1, 1, 0))
        self.assertIn("time limit", text)

    def test_a_program_without_cases_failed_unless_a_filter_was_given(self):
        self.assertEqual(self.run_program("<Catch></Catch>")[0], (0, 1, 0))
        self.assertEqual(self.run_program("<Catch></Catch>", case_filter="x", ends="exit 4")[0], (0, 0, 0))


class ReportTest(unittest.TestCase):
    def finish(self, *tallies):
        counted = report.Report()
        with contextlib.redirect_stdout(io.StringIO()):
            with counted.stage("stage"):
                for tally in tallies:
                    counted.count(tally)
            return counted.finish()

    def test_the_run_fails_when_something_failed_or_nothing_ran(self):
        self.assertEqual(self.finish(report.Tally(passed=2, skipped=1)), 0)
        self.assertEqual(self.finish(report.Tally(passed=2), report.Tally(failed=1)), 1)
        self.assertEqual(self.finish(report.Tally(skipped=3)), 1)


class LeaksTest(unittest.TestCase):
    def test_a_file_that_a_test_left_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            before = leaks.Snapshot(root, "run")
            with tempfile.TemporaryDirectory(prefix="ember-test-", dir="/tmp") as left:
                self.assertIn(f"file {left}", leaks.Snapshot(root, "run").since(before))


if __name__ == "__main__":
    unittest.main()
