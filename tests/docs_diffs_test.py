#!/usr/bin/env python3
"""The diffs of the pages in docs/ work: applied to a copy of the tree they compile, and the tests that they name pass.

Only what they change is compiled; the rest comes from the build that runs this test."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

source, binary = (pathlib.Path(os.environ[f"TESSERA_{name}_DIR"]) for name in ("SOURCE", "BINARY"))
pages = ["add-a-cpu-kernel.md", "add-a-rewrite.md", "add-a-shader.md"]


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"{command} fails:\n{done.stdout[-4000:]}")
    return done.stdout


def cache_options():
    """This build's own choices, for the copy's."""
    wanted = re.compile(r"^(TESSERA_\w+|CMAKE_BUILD_TYPE|CMAKE_CXX_COMPILER(?:_LAUNCHER)?|CMAKE_CXX_FLAGS):\w+=(.*)$", re.M)
    return [f"-D{name}={value}" for name, value in wanted.findall((binary / "CMakeCache.txt").read_text())]


def changed_objects(build, touched):
    """What has to be compiled: the sources that the diffs touch, and lists that were written anew."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        made = re.search(r" -o (\S+)", entry["command"]).group(1)
        if build in file.parents:
            before = binary / file.relative_to(build)
            if before.exists() and (not file.exists() or file.read_bytes() == before.read_bytes()):
                continue
            yield made
        elif str(file.relative_to(build.parent)) in touched:
            yield made


if "-DTESSERA_VULKAN=OFF" in cache_options():
    pages.remove("add-a-shader.md")
with tempfile.TemporaryDirectory() as folder:
    tree = pathlib.Path(folder) / "tree"
    shutil.copytree(source, tree, ignore=shutil.ignore_patterns("build", ".git"), symlinks=True)
    touched, filters = set(), []
    for page in pages:
        text = (source / "docs" / page).read_text()
        for diff in re.findall(r"```diff\n(.*?)```", text, re.S):
            run(["git", "apply", "-"], input=diff, cwd=tree, env={**os.environ, "GIT_DIR": folder})
            touched.update(re.findall(r"^\+\+\+ b/(\S+)", diff, re.M))
        filters += re.findall(r"--gtest_filter='?([^'\s]+)", text)
    build = tree / "build"
    run(["cmake", "-S", tree, "-B", build, "-G", "Ninja", *cache_options()])
    if "add-a-shader.md" in pages:
        run(["ninja", "-C", build, "ops/vulkan/shaders.cpp"])
    objects = sorted(changed_objects(build, touched))
    run(["ninja", "-C", build, *objects])
    link = run(["ninja", "-C", binary, "-t", "commands", "bin/tessera_tests"]).splitlines()[-1]
    tests = pathlib.Path(folder) / "tests"
    link = link.replace(" -o bin/tessera_tests ", f" {' '.join(str(build / name) for name in objects)} -o {tests} ")
    run(link, shell=True, cwd=binary)
    log = run([tests, f"--gtest_filter={':'.join(filters)}"])
    passed = len(re.findall(r"^\[       OK \]", log, re.M)) + len(re.findall(r"^\[  SKIPPED \]", log, re.M))
    if passed < len(pages):
        sys.exit(f"{passed} tests ran:\n{log}")
    print(f"{len(touched)} files, {len(objects)} objects, {passed} tests")
