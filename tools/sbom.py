#!/usr/bin/env python3
"""Writes what the programs of a build are made of, as an SPDX 2.3 document: tessera's files with their sums, and each
Debian package whose library they load or whose headers are compiled into them.

    tools/sbom.py build/release > tessera.spdx.json
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

PROGRAMS = ["bin/tessera", "lib/libtessera.so", "lib/libtessera_upscale.so", "lib/libtessera_pictures.so"]
HEADERS = {"libxsimd-dev": "BSD-3-Clause", "libvulkan-dev": "Apache-2.0", "libcli11-dev": "BSD-3-Clause",
           "nlohmann-json3-dev": "MIT"}  # their headers are all that is taken of them


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "TZ": "UTC"}).stdout


def libraries_of(program):
    """Paths of the shared objects that the program names itself."""
    needed = {line.split("[")[1].rstrip("]\n") for line in output("readelf", "-dW", program).splitlines()
              if "(NEEDED)" in line}
    for line in output("ldd", program).splitlines():
        name, _, place = line.strip().partition(" => ")
        path = pathlib.Path((place or name).split(" ")[0])
        if path.name in needed:
            yield path


def package_of(path):
    """The Debian package that a file came with."""
    for candidate in (path, path.resolve(), pathlib.Path("/usr") / path.relative_to("/")):
        found = subprocess.run(["dpkg-query", "-S", str(candidate)], capture_output=True, text=True)
        for line in found.stdout.splitlines():
            if not line.startswith("diversion by "):
                return line.split(":")[0]
    raise SystemExit(f"sbom: {path}: no package has this file")


def described(name, licence):
    version = output("dpkg-query", "-W", "-f", "${Version}\n", name).splitlines()[0]
    return {"SPDXID": f"SPDXRef-{name.replace('+', 'p')}", "name": name, "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": licence,
            "licenseDeclared": licence, "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:deb/debian/{name}@{version}"}]}


def main():
    build = pathlib.Path(sys.argv[1])
    root = pathlib.Path(__file__).resolve().parent.parent
    commit = output("git", "-C", str(root), "rev-parse", "HEAD").strip()
    created = output("git", "-C", str(root), "log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ").strip()
    files, loaded, relations = [], {}, []
    for program in PROGRAMS:
        path = build / program
        identity = f"SPDXRef-{path.name}"
        files.append({"SPDXID": identity, "fileName": f"./{program}", "licenseConcluded": "Apache-2.0",
                      "copyrightText": "NOASSERTION",
                      "checksums": [{"algorithm": kind, "checksumValue": hashlib.new(kind, path.read_bytes()).hexdigest()}
                                    for kind in ("SHA1", "SHA256")]})
        for library in libraries_of(path):
            if library.resolve().is_relative_to(build.resolve()):
                continue
            package = loaded.setdefault(library, package_of(library))
            relations.append((identity, "DYNAMIC_LINK", f"SPDXRef-{package.replace('+', 'p')}"))
    packages = {name: "NOASSERTION" for name in sorted(set(loaded.values()))} | HEADERS
    relations += [("SPDXRef-tessera", "STATIC_LINK", f"SPDXRef-{name}") for name in HEADERS]
    relations += [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-tessera")]
    relations += [("SPDXRef-tessera", "CONTAINS", entry["SPDXID"]) for entry in files]
    json.dump({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "tessera",
        "documentNamespace": f"urn:tessera:{commit}:{files[0]['checksums'][1]['checksumValue'][:16]}",
        "creationInfo": {"created": created, "creators": ["Tool: tools/sbom.py"]},
        "packages": [{"SPDXID": "SPDXRef-tessera", "name": "tessera", "versionInfo": commit,
                      "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "Apache-2.0",
                      "licenseDeclared": "Apache-2.0", "copyrightText": "NOASSERTION"},
                     *(described(name, licence) for name, licence in packages.items())],
        "files": files,
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                          for a, kind, b in sorted(set(relations))],
    }, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
