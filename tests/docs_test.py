#!/usr/bin/env python3
"""The documentation is true: the diff in add-an-operator.md is the file, operators.md is what the cases say, and links
lead somewhere."""
import os
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(os.environ["TESSERA_SOURCE_DIR"])
failures = []

text = (root / "docs/add-an-operator.md").read_text()
shown = [line[1:] for line in re.search(r"```diff\n(.*?)```", text, re.S).group(1).splitlines() if
         line.startswith("+") and not line.startswith("+++")]
if shown != (root / "ops/trilu.cpp").read_text().splitlines():
    failures.append("docs/add-an-operator.md does not show ops/trilu.cpp as it is")

table = subprocess.run([pathlib.Path(os.environ["TESSERA_BINARY_DIR"]) / "bin/operators_table"], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
if table.returncode == 77:
    print("docs/operators.md is not compared:", table.stderr)
elif table.returncode or table.stdout != (root / "docs/operators.md").read_text():
    failures.append("docs/operators.md is not what ./dev operators writes " + table.stderr)

for page in [*root.glob("*.md"), *root.glob("docs/*.md")]:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for link in re.findall(r"\]\(([^)#:]+)\)", prose):
        if not (page.parent / link).exists():
            failures.append(f"{page.name}: {link} does not exist")

print("\n".join(failures) or "the documentation is true")
sys.exit(bool(failures))
