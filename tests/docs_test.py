#!/usr/bin/env python3
"""The documentation is true: the diff in add-an-operator.md is the file, operators.md is what the cases say, the commands
of upscale.md run and print what it says, and links lead somewhere."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

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



def fits(schema, value):
    """As much of JSON schema as docs/upscale.md uses."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
    known = {"oneOf", "type", "const", "minimum", "maximum", "items", "properties", "required", "additionalProperties",
             "description"}
    assert not schema.keys() - known, schema
    if "oneOf" in schema:
        return sum(fits(one, value) for one in schema["oneOf"]) == 1
    if "const" in schema:
        return value == schema["const"]
    if not isinstance(value, kinds[schema["type"]]) or isinstance(value, bool):
        return False
    if schema["type"] == "array":
        return all(fits(schema["items"], item) for item in value)
    if schema["type"] == "object":
        return all(name in schema["properties"] and fits(schema["properties"][name], item) for name, item in
                   value.items()) and all(name in value for name in schema["required"])
    return schema["type"] == "string" or schema.get("minimum", value) <= value <= schema.get("maximum", value)


page = (root / "docs/upscale.md").read_text()
with tempfile.TemporaryDirectory() as folder:
    scratch = pathlib.Path(folder)
    (scratch / "bin").mkdir()
    (scratch / "bin/tessera").symlink_to(pathlib.Path(sys.argv[1]).resolve())
    environment = {**os.environ, "PATH": f"{scratch / 'bin'}:{os.environ['PATH']}", "TESSERA_CACHE": str(scratch / "cache"),
                   "LC_ALL": "C"}

    def run(words):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", words], cwd=scratch, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)

    made = run(f"""mkdir -p photos/trip models
        cp {root}/models/photo-x2.onnx model.onnx; cp model.onnx models/
        tessera upscale {root}/examples/demo.png -o photo.png --size 120x80 -q
        tessera upscale photo.png -o photos/a.png --size 48x40 -q
        tessera upscale photo.png -o photos/a.jpg --size 44x60 -q
        tessera upscale photo.png -o photos/trip/b.png --size 50x50 -q
        echo nothing > photos/notes.txt
        if command -v ffmpeg >/dev/null; then
          ffmpeg -v error -f lavfi -i testsrc2=size=64x48:duration=1 -f lavfi -i sine=duration=1 clip.mkv
        fi""")
    assert made.returncode == 0, made.stderr
    examples = re.findall(r"```sh( ffmpeg)?\n(.*?)```", page, re.S)
    assert len(examples) > 8
    for needs, example in examples:
        if needs and not shutil.which("ffmpeg"):
            print("an example of docs/upscale.md was skipped: there is no ffmpeg here")
            continue
        for command in re.sub(r"\|\n", "| ", example).splitlines():
            command, _, expected = command.partition("# =>")
            done = run(command)
            printed = " ".join(done.stdout.split())
            if done.returncode or (expected and printed != " ".join(expected.split())):
                failures.append(f"docs/upscale.md: {command.strip()}: exit {done.returncode}, {printed} {done.stderr}")

    schema = json.loads(re.search(r"```json\n(.*?)```", page, re.S).group(1))
    (scratch / "photos/bad.png").write_text("none")
    (scratch / "clip.y4m").write_bytes(b"YUV4MPEG2 W40 H40 Cmono\n" + 3 * (b"FRAME\n" + bytes(range(100)) * 16))
    lines = run("tessera upscale photos -o json -s 4 -x -t 32 --verify-tiles --json --progress || true").stdout
    lines += run("tessera upscale clip.y4m -o x.y4m --json").stdout
    kinds = set()
    for line in map(json.loads, lines.splitlines()):
        kinds.add((line["event"], line.get("done"), "frames" in line))
        if not fits(schema, line):
            failures.append(f"docs/upscale.md: its schema does not allow {line}")
    if len(kinds) != 4:
        failures.append(f"not all kinds of lines were seen, only {kinds}")

print("\n".join(failures) or "the documentation is true")
sys.exit(bool(failures))
