#!/usr/bin/env bash
# The list of what the programs are made of can be written, and the runtime library needs the C and C++ runtime alone.
set -euo pipefail
for tool in readelf dpkg-query git python3; do
  command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
git -C "$TESSERA_SOURCE_DIR" rev-parse HEAD >/dev/null 2>&1 || { echo "skipped: no checkout"; exit 77; }
[[ ${TESSERA_SANITIZED:-0} == 0 ]] || { echo "skipped: sanitizers bring libraries of their own"; exit 77; }
"$TESSERA_SOURCE_DIR/tools/sbom.py" "$TESSERA_BINARY_DIR" | python3 -c '
import json, sys
document = json.load(sys.stdin)
links = {}
for relation in document["relationships"]:
    links.setdefault(relation["spdxElementId"], set()).add(relation["relatedSpdxElement"])
runtime = links["SPDXRef-libtessera.so"]
assert runtime <= {"SPDXRef-libc6", "SPDXRef-libstdcpp6", "SPDXRef-libgcc-s1"}, runtime
names = {package["SPDXID"] for package in document["packages"]} | {entry["SPDXID"] for entry in document["files"]}
assert all(related in names for all_of_it in links.values() for related in all_of_it), links
assert all(package["versionInfo"] for package in document["packages"])'
