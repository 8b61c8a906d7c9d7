#!/usr/bin/env bash
# The installed tree: its examples build with CMake and pkg-config, run, and need nothing but the C and
# C++ runtime; the library exports tessera_ names alone.
set -euo pipefail
source_dir=${TESSERA_SOURCE_DIR:?} binary_dir=${TESSERA_BINARY_DIR:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'install_test: %s\n' "$*" >&2; exit 1; }

if grep -q '^TESSERA_SANITIZE:STRING=.' "$binary_dir/CMakeCache.txt"; then
  echo "skipped: a library with sanitizers is not for installing"
  exit 77
fi

cmake --install "$binary_dir" --prefix "$work/prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
library=$(find "$work/prefix" -name 'libtessera.so' | head -1)
[[ -n $library ]] || fail "no libtessera.so was installed"
lib_dir=$(dirname "$library")

# 1. What the libraries need, and what they show.
libraries="libtessera.so libtessera_upscale.so libtessera_pictures.so"
for name in $libraries; do
  needed=$(readelf -d "$lib_dir/$name" | sed -n 's/.*Shared library: \[\(.*\)\]/\1/p')
  for other in $needed; do
    case $name:$other in
      *:libc.so.* | *:libm.so.* | *:libstdc++.so.* | *:libgcc_s.so.* | *:ld-linux*.so.*) ;;
      libtessera_upscale.so:libtessera.so.* | libtessera_pictures.so:*) ;;
      *) fail "$name needs $other" ;;
    esac
  done
  nm -D --defined-only "$lib_dir/$name" | awk -v name="$name" '$2 != "A" {print name, $3}' | LC_ALL=C sort
done >"$work/exports.txt"
changes=$(grep -v '^#' "$source_dir/tests/exports.txt" | diff - "$work/exports.txt" || true)
[[ -z $changes ]] || fail "exports differ from tests/exports.txt:
$changes"

# stub SONAME FUNCTION [VERSION]: a library to link programs with, as one of that name was once.
stub() {
  mkdir -p "$work/stub"
  echo "int $2(void) { return 0; }" >"$work/stub.c"
  echo "${3:-NONE} { global: *; };" >"$work/stub.map"
  cc -shared -fPIC "$work/stub.c" "-Wl,-soname,$1" ${3:+-Wl,--version-script="$work/stub.map"} -o "$work/stub/$1"
}
# A program from before names had versions runs, and so do programs for any version of ONNX Runtime's library.
stub libtessera.so.0 tessera_version
printf '#include <stdio.h>\nconst char* tessera_version(void);\nint main(void) { return !puts(tessera_version()); }\n' >"$work/old.c"
cc "$work/old.c" "$work/stub/libtessera.so.0" -o "$work/old"
[[ $(LD_LIBRARY_PATH=$lib_dir "$work/old" 2>&1) == [0-9]*.[0-9]*.[0-9]* ]] || fail "a program linked without versions does not run"
if [[ -e $lib_dir/libtessera_ort.so ]]; then
  printf 'const void* OrtGetApiBase(void);\nint main(void) { return !OrtGetApiBase(); }\n' >"$work/ort.c"
  for version in "" VERS_1.8.1 VERS_1.16.3 VERS_1.28.2 VERS_1.30.0; do
    stub libonnxruntime.so.1 OrtGetApiBase $version
    cc "$work/ort.c" "$work/stub/libonnxruntime.so.1" -o "$work/ort"
    told=$(LD_LIBRARY_PATH=$lib_dir/tessera/onnxruntime "$work/ort" 2>&1) || fail "a program for ONNX Runtime $version: $told"
    [[ -z $told ]] || fail "a program for ONNX Runtime $version is told: $told"
  done
fi
strip -o "$work/stripped.so" "$library"
size=$(stat -c %s "$work/stripped.so")
echo "libtessera.so, stripped: $((size / 1024)) KiB"
((size < 12 * 1024 * 1024)) || fail "libtessera.so has $size bytes"

# 2. The examples, by CMake against the installed package.
model=$source_dir/models/photo-x2.onnx
cmake -G Ninja -S "$source_dir/examples" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/configure.log" ||
  { cat "$work/configure.log"; exit 1; }
cmake --build "$work/build" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/build/run" "$model" | tee "$work/run.out"
grep -q '^output 0: \[1,3,32,32\]' "$work/run.out" || fail "examples/run.c: wrong output"
[[ $("$work/build/custom_operator" | tr '\n' ' ') == '-1 -> -0.75 -0.125 -> 0 0 -> 0 0.25 -> 0 0.5 -> 0.25 ' ]] ||
  fail "examples/custom_operator.c: wrong output"
for device in cpu vulkan:0; do
  "$work/build/buffers" "$model" $device >"$work/buffers.out"
  grep -q ': 0 bytes crossed the bus' "$work/buffers.out" && grep -q '^the result is 64x64$' "$work/buffers.out" ||
    fail "examples/buffers.c: wrong output on $device"
done
for example in upscale upscale_static; do
  "$work/build/$example" "$model" | tee "$work/upscale.out"
  grep -q '24x24 -> 48x48 on cpu' "$work/upscale.out" || fail "examples/upscale.cpp: wrong output"
done
"$work/build/run" /nonexistent.onnx 2>"$work/error.txt" && fail "a missing model is no error"
grep -q '/nonexistent.onnx' "$work/error.txt" || fail "the error does not name the file"

"$work/build/tasks" "$model" | tee "$work/tasks.out"
for line in 'information: .*photo-x2.onnx: .* on cpu' 'input in: ' 'a run takes [1-9][0-9]* KiB' 'steps, .* timed: yes' \
  'in the background: 64x64' 'in the background: .*cancelled' 'cat: 0.75' 'lent at most enough, at the end 0 bytes'; do
  grep -q "^$line\|$line\$" "$work/tasks.out" || fail "examples/tasks.c does not say: $line"
done
[[ $(grep -c '^information: ' "$work/tasks.out") == 1 ]] || fail "examples/tasks.c: two sessions of one file are not one"

# The archive alone is all that a program needs, pictures included.
cc -std=c99 -Wall -Wextra -Werror "-I$work/prefix/include" "$source_dir/examples/upscale.c" "$lib_dir/libtessera.a" \
  -lstdc++ -lm -lpthread -ldl -o "$work/upscale_one"
[[ ! -e $lib_dir/libtessera_upscale.a ]] || fail "there are two archives"
readelf -d "$work/upscale_one" | grep -q 'NEEDED.*tessera' && fail "a program of the archive needs the shared library"

# 3. The C example by pkg-config, as its first lines say.
flags=$(PKG_CONFIG_PATH=$lib_dir/pkgconfig pkg-config --cflags --libs tessera)
# shellcheck disable=SC2086
cc -std=c99 -Wall -Wextra -Wpedantic -Werror "$source_dir/examples/run.c" $flags -o "$work/run_pc"
LD_LIBRARY_PATH=$lib_dir "$work/run_pc" "$model" >/dev/null

# 4. The upscaler: raw pixels through its C example, a part of the result alone, and what goes wrong.
python3 -c 'import sys; sys.stdout.buffer.write(bytes((x * 3 + y * 5 + c * 40) % 256 for y in range(40) for x in range(50) for c in range(3)))' \
  >"$work/in.rgb"
flags=$(PKG_CONFIG_PATH=$lib_dir/pkgconfig pkg-config --cflags --libs tessera-upscale)
# shellcheck disable=SC2086
cc -std=c99 -Wall -Wextra -Wpedantic -Werror "$source_dir/examples/upscale.c" $flags -o "$work/upscale_pc"
export LD_LIBRARY_PATH=$lib_dir
for example in "$work/build/upscale_raw" "$work/build/upscale_raw_static" "$work/upscale_one" "$work/upscale_pc"; do
  "$example" 50 40 <"$work/in.rgb" >"$work/out.rgb" 2>"$work/told.txt" || { cat "$work/told.txt"; fail "$example"; }
  grep -q 'photo-x2: x2 on ' "$work/told.txt" || fail "$example does not tell the model"
  [[ $(stat -c %s "$work/out.rgb") == 24000 ]] || fail "$example: wrong size"
  [[ ! -e $work/first.rgb ]] || cmp -s "$work/out.rgb" "$work/first.rgb" || fail "$example: other pixels"
  cp "$work/out.rgb" "$work/first.rgb"
done
"$work/upscale_pc" 50 40 "$model" <"$work/in.rgb" >"$work/out.rgb" 2>/dev/null
"$work/upscale_pc" 50 40 "$model" 20 30 7 9 <"$work/in.rgb" >"$work/part.rgb" 2>/dev/null
python3 - "$work/out.rgb" "$work/part.rgb" <<'END' || fail "a part has other pixels than the whole"
import sys
whole, part = (open(name, "rb").read() for name in sys.argv[1:])
rows = [whole[((30 + y) * 100 + 20) * 3:][:7 * 3] for y in range(9)]
sys.exit(part != b"".join(rows))
END
"$work/upscale_pc" 50 40 /nonexistent.onnx <"$work/in.rgb" >/dev/null 2>"$work/error.txt" && fail "a missing model is no error"
grep -q '/nonexistent.onnx' "$work/error.txt" || fail "the error does not name the file"
# Files of pictures, if they are part of it: read, upscaled and written again, with what they say beside their pixels.
flags=$(PKG_CONFIG_PATH=$lib_dir/pkgconfig pkg-config --cflags --libs tessera-upscale tessera-pictures)
# shellcheck disable=SC2086
cc -std=c99 -Wall -Wextra -Wpedantic -Werror "$source_dir/examples/pictures.c" $flags -o "$work/upscale_file_pc"
for example in "$work/build/upscale_file" "$work/upscale_file_pc"; do
  "$example" "$source_dir/examples/demo.png" "$work/new/demo.tif" 2>"$work/told.txt" || { cat "$work/told.txt"; fail "$example"; }
  "$example" "$work/new/demo.tif" "$work/new/again.png" "$model" 2>"$work/told.txt" || fail "$example: $(cat "$work/told.txt")"
  grep -q '^tif, ' "$work/told.txt" || fail "$example does not tell the format"
  [[ $(ls "$work/new") == $'again.png\ndemo.tif' ]] || fail "$example: $(ls "$work/new")"
  "$example" "$work/in.rgb" "$work/new/none.png" 2>"$work/told.txt" && fail "raw pixels are no picture"
  grep -q 'in.rgb: not a PNG' "$work/told.txt" || fail "$example: $(cat "$work/told.txt")"
  rm -r "$work/new"
done
flags=$(PKG_CONFIG_PATH=$lib_dir/pkgconfig pkg-config --cflags --libs tessera-upscale)
{
  echo '#include <tessera/upscale.h>'
  echo 'int main(void) { static unsigned char pixels[640 * 480 * 3], larger[1280 * 960 * 3];'
  sed -n '/^```c$/,/^```$/{/^```/d;p}' "$source_dir/docs/embed.md"
  echo 'tessera_upscaler_free(upscaler); return status || larger[1280 * 960] > 20; }'
} >"$work/page.c"
# shellcheck disable=SC2086
cc -std=c99 -Wall -Wextra -Werror "$work/page.c" $flags -o "$work/page"
"$work/page" || fail "what docs/embed.md shows does not work"
unset LD_LIBRARY_PATH

# 5. And as the README says.
line=$(sed -n 's/^    \(cc examples.*\)$/\1/p' "$source_dir/README.md")
[[ -n $line ]] || fail "the README has no line that compiles an example"
cp -r "$source_dir/examples" "$source_dir/models" "$work"
(cd "$work" && export PKG_CONFIG_PATH=$lib_dir/pkgconfig LD_LIBRARY_PATH=$lib_dir && eval "$line") >"$work/run.out"
grep -q '^output 0: \[1,3,32,32\]' "$work/run.out" || fail "the README's example: wrong output"

# 6. What docs/embed.md has a new user type, with the installed tree where it says.
mkdir "$work/home"
ln -s "$work/prefix" "$work/home/tessera"
sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$source_dir/docs/embed.md" >"$work/first.sh"
(cd "$work" && HOME=$work/home bash -eu first.sh) >"$work/first.out" || fail "what docs/embed.md has one type fails"
grep -q '^64x64 pixels$' "$work/first.out" || fail "docs/embed.md's first program: wrong output"

# 7. What shells and man know of the command.
for file in bash-completion/completions/tessera zsh/site-functions/_tessera fish/vendor_completions.d/tessera.fish \
  man/man1/tessera.1 man/man1/tessera-upscale.1; do
  grep -q -e upscale "$work/prefix/share/$file" || fail "share/$file is not there, or does not know upscale"
done

# 8. The Python module, where the Python that it was built with looks below its prefix.
folder=$(sed -n 's/^TESSERA_PYTHON_FOLDER:STRING=//p' "$binary_dir/CMakeCache.txt")
if [[ -n $folder && -e $binary_dir/python/tessera/_core.abi3.so ]]; then
  python=$(sed -n 's/^_Python3_EXECUTABLE:INTERNAL=//p' "$binary_dir/CMakeCache.txt")
  "$python" -c "import site, sys; sys.exit(not {f'{top}/$folder' for top in (sys.prefix, f'{sys.prefix}/local')} & set(site.getsitepackages()))" ||
    fail "no Python looks into $folder"
  "$python" -c 'import numpy' 2>/dev/null || python=/usr/bin/python3
  if ! "$python" -c 'import numpy' 2>/dev/null; then
    echo "the installed Python module was not run: there is no NumPy here"
  else
    PYTHONPATH=$work/prefix/$folder "$python" - "$model" "$work/prefix" <<'END' || fail "the installed Python module does not run"
import sys
import numpy
import tessera
assert tessera.__file__.startswith(sys.argv[2]), tessera.__file__
[y] = tessera.Session(sys.argv[1]).run([numpy.zeros((1, 3, 8, 8), numpy.float32)])
sys.exit(y.shape != (1, 3, 16, 16))
END
  fi
fi
echo "the installed tree works"
