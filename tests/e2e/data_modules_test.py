#!/usr/bin/env python3
"""Tables, dates and text in a whole program: NEXUS=path/to/nexus python3 tests/e2e/data_modules_test.py [-k name]."""
import os
import shutil
import unittest

from command import Base

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")


class Report(Base):
    def report(self, sales):
        shutil.copy(os.path.join(EXAMPLES, "csv-report/app.c"), os.path.join(self.dir, "app.c"))
        self.write("sales.csv", sales)
        return self.nexus("run", "app.c", "--allow-read=sales.csv", "--allow-write=report.csv")

    def test_the_example(self):
        result = self.report('date,item,amount\n2026-11-30,"apples, red",2.50\n2026-01-02,pears,1\n2026-11-01,"5"" nails",0.25\n')
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with open(os.path.join(self.dir, "report.csv")) as f:
            self.assertEqual(f.read(), "month,amount\nJanuary,1.00\nNovember,2.75\n")

    def test_its_errors(self):
        for sales, said in [
            ("date,item,amount\n2026-11-31,a,1\n", 'the date "2026-11-31" is wrong at character 1: the month has no such day'),
            ("date,item,amount\n2026-11-30,a,1x\n", 'the number "1x" is wrong at character 2'),
            ("date,item,amount\n2026-11-30,a\n", "cannot read the CSV: line 2: the row has 2 fields where the header has 3"),
            ('date,item,amount\n2026-11-30,"a"b,1\n', "cannot read the CSV: line 2, column 15: a field goes on behind its closing quote"),
            ("day,item,amount\n", 'the header of the CSV has no field "date"'),
        ]:
            with self.subTest(sales):
                result = self.report(sales)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(said, result.stderr)
                self.assertFalse(os.path.exists(os.path.join(self.dir, "report.csv")))


if __name__ == "__main__":
    unittest.main()
