#!/usr/bin/env python3
"""Versions and ranges are what npm's own package `semver` says: NEXUS=path/to/nexus python3 tests/conformance/semver_test.py.

Node makes up cases from the pieces of the grammar, asks the package that npm itself is made with, and writes down what it says; a program
of ours has to say the same. Skipped where there is no Node or no such package."""
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from command import Base, SLOW  # noqa: E402

CASES = 10000
PLACES = ["/usr/lib/node_modules/npm/node_modules/semver", "/usr/local/lib/node_modules/npm/node_modules/semver", "/usr/share/nodejs/semver"]

# A case is a line of fields with tabs between them; what is expected follows a line later.
GENERATE = r"""
const semver = require(process.argv[1]);
// Where prereleases are versions like others, its older versions have other lower bounds.
const [major, minor] = require(process.argv[1] + "/package.json").version.split(".").map(Number), recent = major > 7 || (major === 7 && minor >= 8) ? 1 : 0;
let state = 1;
const random = (n) => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 65536) % n; };
const pick = (list) => list[random(list.length)];
const number = () => pick(["0", "0", "1", "2", "3", "10"]);
const identifier = () => pick(["0", "1", "2", "10", "a", "b", "alpha", "beta", "-", "0a", "x"]);
const identifiers = () => Array.from({ length: 1 + random(3) }, identifier).join(".");
const version = () => `${number()}.${number()}.${number()}` + (random(3) ? "" : "-" + identifiers()) + (random(8) ? "" : "+" + identifiers());
const part = () => pick([number(), number(), number(), "x", "X", "*"]);
const partial = () => random(3) ? version() : [part(), part(), part()].slice(0, 1 + random(3)).join(".").replace(/([xX*])\.\d+/g, "$1.x");
const simple = () => pick(["", "", "^", "^", "~", "~", "~>", ">", "<", ">=", "<=", "="]) + pick(["", "", "", " ", "v"]) + partial();
const alternative = () => random(5) ? Array.from({ length: random(4) }, simple).join(pick([" ", "  "])) : `${partial()} - ${partial()}`;
const range = () => Array.from({ length: 1 + random(3) }, alternative).join(pick(["||", " || "]));
const broken = (text) => { const at = random(text.length + 1); return text.slice(0, at) + pick(["", ".", "-", " ", "1", "0", "a", "|", "<", "^"]) + text.slice(at + random(2)); };
const parts = ["major", "minor", "patch", "premajor", "preminor", "prepatch", "prerelease"];
for (let i = 0; i < Number(process.argv[2]); i++) {
    let v = version(), w = version(), r = range(), part = random(parts.length), name = random(2) ? "" : pick(["a", "beta", "a.b"]);
    if (random(20) === 0) v = broken(v);
    // The package takes what stands behind a + wherever it is; we, where a version ends.
    if (random(20) === 0) r = broken(r.replace(/\+[0-9A-Za-z.-]+/g, ""));
    // What stands behind an x is read by its older versions. "~ >" is a ~> to it, and "1<*" is 1.
    if (/[xX*]\.\d|~\s+>|\S[<>]=?\s*\*/.test(r)) continue;
    const pre = random(2) && recent;
    const a = /^[v=\s]|\s$/.test(v) ? null : semver.parse(v), b = semver.parse(w);
    let fits = null;
    try { fits = new semver.Range(r, { includePrerelease: !!pre }).test(b); } catch (e) {}
    console.log(JSON.stringify({
        line: [v, w, r, pre, part, name].join("\t"),
        said: [a ? semver.compare(a, b) : "bad", a ? semver.inc(v, parts[part], name || undefined) : "bad", fits === null ? "bad" : fits ? 1 : 0].join("\t"),
    }));
}
"""

APP = r"""
#include <nexus/fs.h>
#include <nexus/semver.h>
#include <nexus/timer.h>
#include <stdio.h>

static const char *next(char **rest)
{
    char *field = *rest, *end = strpbrk(field, "\t\n");
    *end = '\0';
    *rest = end + 1;
    return field;
}

static void answer(char **rest)
{
    const char *v = next(rest), *w = next(rest), *r = next(rest);
    bool pre = *next(rest) == '1';
    nx_semver_part part = (nx_semver_part)(*next(rest) - '0');
    const char *name = next(rest);
    nx_semver a, b;
    nx_semver_range *range;
    nx_bytes text;
    bool good = nx_semver_parse(nx_str(v), &a) == NX_OK;
    if (nx_semver_parse(nx_str(w), &b)) return;
    int order = good ? nx_semver_compare(&a, &b) : 0;
    if (good)
        printf("%d\t", (order > 0) - (order < 0));
    else
        printf("bad\t");
    if (good && !nx_semver_increment(&a, part, *name ? name : NULL) && !nx_semver_text(&a, &text))
        printf("%s\t", text.data);
    else
        printf("bad\t");
    if (nx_semver_range_new(&range, nx_str(r), .prereleases = pre))
        printf("bad\n");
    else
        printf("%d\n", nx_semver_fits(range, &b));
    nx_semver_range_free(range);
}

int main(void)
{
    nx_bytes all;
    NX_TRY(nx_fs_read_file("cases", &all));
    char *rest = nx_copy(all), *end = rest + all.len;
    for (int i = 0; rest < end; i++) {
        answer(&rest);
        if (i % 256 == 0) NX_TRY(nx_sleep(0));
    }
    return NX_OK;
}
"""


class Semver(Base):
    def test_as_npm_says(self):
        package = next((place for place in PLACES if os.path.exists(place)), None)
        if not package or not shutil.which("node"):
            self.skipTest("there is no Node, or no package semver with npm")
        env = {**os.environ, "NODE_PATH": os.path.dirname(package)}  # where what it needs lies, too
        made = subprocess.run(["node", "-e", GENERATE, package, str(CASES)], env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=60 * SLOW)
        cases = [json.loads(line) for line in made.stdout.splitlines()]
        self.assertGreater(len(cases), CASES // 2)
        self.write("app.c", APP)
        self.write("cases", "".join(case["line"] + "\n" for case in cases))
        result = self.nexus("run", "app.c", "--allow-read=cases")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        answers = result.stdout.splitlines()
        self.assertEqual(len(answers), len(cases))
        wrong = [f"{case['line']!r}: npm says {case['said']!r}, we {said!r}" for case, said in zip(cases, answers) if case["said"] != said]
        self.assertEqual(len(wrong), 0, "\n" + "\n".join(wrong[:20]))
        self.assertGreater(sum(case["said"].endswith("\t1") for case in cases), len(cases) // 20)


if __name__ == "__main__":
    unittest.main()
