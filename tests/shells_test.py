#!/usr/bin/env python3
# What the command tells shells and man of itself: everything, and in words that they take.
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TESSERA = sys.argv[1]


def told(*words):
    return subprocess.run([TESSERA, *words], check=True, capture_output=True, text=True).stdout


COMMANDS = re.findall(r"^  ([a-z]+) {2,}", told("--help").split("Subcommands:")[1].split("Examples:")[0], re.M)
FLAGS = {command: set(re.findall(r"^  (?:-\w,)?(--[a-z][a-z0-9-]+)", told(command, "--help"), re.M)) for command in COMMANDS}


class Shells(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def script(self, shell):
        path = f"{self.folder.name}/{shell}"
        with open(path, "w") as file:
            file.write(told("completion", shell))
        return path

    def run_in(self, shell, *words):
        if not shutil.which(shell):
            self.skipTest(f"skipped: there is no {shell} here")
        done = subprocess.run([shell, *words], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout

    def test_everything_is_told(self):
        self.assertGreater(len(COMMANDS), 8)
        self.assertIn("--resume", FLAGS["upscale"])
        for command in COMMANDS:
            page = told("man", command).replace("\\-", "-")
            for flag in FLAGS[command]:
                self.assertIn(flag, page, command)
                for shell in ("bash", "zsh"):
                    self.assertIn(flag, told("completion", shell))
                self.assertRegex(told("completion", "fish"), f"subcommand_from {command}'.* -l {flag[2:]} ")

    def test_bash(self):
        script = self.script("bash")

        def offered(*words):
            line = f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _tessera; " \
                   "printf '%s\\n' \"${COMPREPLY[@]}\""
            return self.run_in("bash", "-c", line).split()

        self.assertEqual(offered("tessera", "ups"), ["upscale"])
        self.assertEqual(sorted(offered("tessera", "''")), sorted([*COMMANDS, "--help", "--version"]))
        self.assertEqual(offered("tessera", "upscale", "--resu"), ["--resume"])
        self.assertEqual(offered("tessera", "upscale", "--alpha", "''"), ["model", "bicubic"])
        self.assertEqual(offered("tessera", "upscale", "-m", "--res"), [])
        self.assertEqual(offered("tessera", "upscale", "file"), [])
        self.assertEqual(offered("tessera", "upscale", "-m", "art"), ["art-x2"])
        self.assertEqual(offered("tessera", "upscale", "-m", self.folder.name + "/"), [script], "files are models, too")

    def test_zsh(self):
        self.run_in("zsh", "-n", self.script("zsh"))

    def test_fish(self):
        script = self.script("fish")
        self.run_in("fish", "-n", script)
        lines = self.run_in("fish", "-c", f"source {script}; complete -C 'tessera upscale --resu'")
        self.assertRegex(lines, r"^--resume\t")
        self.assertEqual(self.run_in("fish", "-c", f"source {script}; complete -C 'tessera upscale --alpha mo'").split()[0],
                         "model")

    def test_pages_are_taken(self):
        for command in ["", *COMMANDS]:
            page = f"{self.folder.name}/page.1"
            with open(page, "w") as file:
                file.write(told("man", *command.split()))
            shown = self.run_in("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", page)
            self.assertIn("SYNOPSIS", re.sub(".\b|\x1b\\[[0-9;]*m", "", shown))

    def test_all_pages_at_once(self):
        told("man", "--into", self.folder.name)
        with open(f"{self.folder.name}/tessera-upscale.1") as file:
            self.assertEqual(file.read(), told("man", "upscale"))
        wrong = subprocess.run([TESSERA, "man", "nothing"], capture_output=True, text=True)
        self.assertEqual((wrong.returncode, wrong.stdout), (2, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
