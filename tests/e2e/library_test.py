"""The examples of the modules for data: what they print, and how they fail."""
import os
import shutil
import subprocess
import tempfile
import unittest

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
NEXUS = os.path.abspath(os.environ.get("NEXUS", "build/bin/nexus"))


class Examples(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="nexus-library-")
        self.addCleanup(shutil.rmtree, self.dir)

    def run_example(self, name, files, *args):
        """Runs examples/NAME in a folder of its own, which it may read; returns (code, output, errors)."""
        shutil.copy(os.path.join(EXAMPLES, name, "app.c"), self.dir)
        for file, text in files.items():
            with open(os.path.join(self.dir, file), "w", encoding="utf-8") as out:
                out.write(text)
        done = subprocess.run([NEXUS, "run", "app.c", "--allow-read=.", "--", *args], cwd=self.dir, capture_output=True,
                              text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_link_check(self):
        page = '<a href="../x?q=ä#y">x</a>\n<IMG  SRC = \'//b\u00fccher.example\'>\n<a name="none">'
        code, out, err = self.run_example("link-check", {"page.html": page}, "page.html", "https://example.com/docs/a")
        self.assertEqual((code, out), (0, "https://example.com/x?q=%C3%A4#y\nhttps://xn--bcher-kva.example/\n"), err)
        code, out, err = self.run_example("link-check", {"page.html": '<a href="http://a:b/">'}, "page.html", "x:y")
        self.assertEqual(code, 1)
        self.assertIn('bad: cannot read the URL "http://a:b/": the port at character 10 is no number', out)
        self.assertIn("1 links lead nowhere", err)

    def test_config(self):
        with open(os.path.join(EXAMPLES, "config/app.toml"), encoding="utf-8") as file:
            config = file.read()
        code, out, err = self.run_example("config", {"app.toml": config})
        self.assertEqual((code, out), (0, "port 8080\nexample.com from sites/example, compressed\n"
                                          "static.example.com from public\n"), err)
        for text, message in ((config.replace("8080", "80800"), "app.toml:2:8: server.port has to be a whole number from 0 to 65535"),
                              (config.replace('"example.com"', '""'), "app.toml:5:8: a host has a name"),
                              (config.replace("= 8080", "8080"), 'app.toml:2:6: expected "="')):
            code, _, err = self.run_example("config", {"app.toml": text})
            self.assertNotEqual(code, 0)
            self.assertIn(message, err)


if __name__ == "__main__":
    unittest.main()
