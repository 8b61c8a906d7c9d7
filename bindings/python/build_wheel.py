"""Builds the wheel for pip (PEP 517), with CMake and Python's own library alone.

One wheel serves all versions from 3.11 on. TESSERA_BUILD_DIR: a build folder to go on in, in place of one that is made
for this wheel and removed. TESSERA_CMAKE_ARGS: more arguments for CMake. TESSERA_PACKAGE: the folder tessera of a module
that is built, which is packed as it is.
"""

import base64
import hashlib
import io
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _metadata():
    project = _project()
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}",
             f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}"]
    lines += [f"Requires-Dist: {one}" for one in project["dependencies"]]
    for extra, needed in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {one}; extra == '{extra}'" for one in needed]
    return "\n".join(lines) + "\n"


def _tag():
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"cp311-abi3-{platform}"


def _write_wheel(folder, files):
    """`files`: what is in the package folder, by name."""
    project = _project()
    stem = f"{project['name']}-{project['version']}"
    wheel = f"Wheel-Version: 1.0\nGenerator: tessera\nRoot-Is-Purelib: false\nTag: {_tag()}\n"
    contents = {**files, f"{stem}.dist-info/METADATA": _metadata().encode(), f"{stem}.dist-info/WHEEL": wheel.encode(),
                f"{stem}.dist-info/LICENSE": (ROOT / "LICENSE").read_bytes()}
    record = []
    name = f"{stem}-{_tag()}.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(contents.items()):
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}")
            entry = zipfile.ZipInfo(path)  # the time of 1980: the same sources give the same wheel
            entry.external_attr = (0o100755 if path.endswith(".so") else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
        record.append(f"{stem}.dist-info/RECORD,,")
        archive.writestr(zipfile.ZipInfo(f"{stem}.dist-info/RECORD"), "\n".join(record) + "\n")
    return name


def _build(folder):
    """The folder of the module, built in `folder`."""
    if os.environ.get("TESSERA_PACKAGE"):
        return pathlib.Path(os.environ["TESSERA_PACKAGE"])
    arguments = ["-DCMAKE_BUILD_TYPE=Release", "-DTESSERA_PYTHON=ON", f"-DPython3_EXECUTABLE={sys.executable}"]
    if not os.environ.get("TESSERA_BUILD_DIR"):
        arguments += ["-DTESSERA_TOOLS=OFF"]
        if shutil.which("ninja"):
            arguments += ["-G", "Ninja"]
    arguments += shlex.split(os.environ.get("TESSERA_CMAKE_ARGS", ""))
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, *arguments], check=True)
    subprocess.run(["cmake", "--build", folder, "--target", "tessera_python", "--parallel"], check=True)
    return pathlib.Path(folder) / "python/tessera"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with tempfile.TemporaryDirectory() as scratch:
        package = _build(os.environ.get("TESSERA_BUILD_DIR") or scratch)
        core = pathlib.Path(scratch) / "_core.abi3.so"
        shutil.copyfile(package / core.name, core)
        if shutil.which("strip"):
            subprocess.run(["strip", "--strip-unneeded", core], check=True)
        files = {f"tessera/{path.name}": path.read_bytes() for path in package.iterdir() if path.is_file()}
        files[f"tessera/{core.name}"] = core.read_bytes()
        return _write_wheel(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """What is imported is the build folder's: build again to see a change. Needs TESSERA_BUILD_DIR."""
    folder = os.environ.get("TESSERA_BUILD_DIR")
    if not folder:
        raise SystemExit("an editable install stays in its build folder: set TESSERA_BUILD_DIR")
    package = _build(folder).resolve()
    return _write_wheel(wheel_directory, {"tessera.pth": f"{package.parent}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    project = _project()
    stem = f"{project['name']}-{project['version']}"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(pathlib.Path(sdist_directory) / f"{stem}.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path in filter(None, listed.decode().split("\0")):
            archive.add(ROOT / path, f"{stem}/{path}", recursive=False)
        info = tarfile.TarInfo(f"{stem}/PKG-INFO")
        content = _metadata().encode()
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return f"{stem}.tar.gz"
