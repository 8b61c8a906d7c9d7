#!/usr/bin/env python3
"""The registry's rows agree with ONNX's own schemas: those of python3-onnx, as far as it knows them, and the list of
operators and versions beside the shared data.

A row serves all versions of an operator that behave alike, so it may take more than an old version did; it may never
take less, nor know another default."""
import json
import os
import pathlib
import subprocess
import sys

from python_support import binary, interpreter, root

if len(sys.argv) > 1 and sys.argv[1] != "--compare":
    python = interpreter("onnx")
    sys.exit(subprocess.run([python, __file__, "--compare"]).returncode)

from onnx import defs  # noqa: E402

MANY = 2**31 - 1

# What differs on purpose: an operator, or an operator (or any: "*") and what is said of it; and why.
BATCH = "batch normalization and dropout are those of inference"
INTEGERS = "of whole numbers nobody computes it"
WORDS = "what the standard says in words alone"
NO_VALUE = "elements without an order, or without a zero"
DEVICE = "for a device's own memory: what it computes on ordinary tensors has no definition outside of that device's code"
PAYLOAD = "holds another engine's compiled program"
KNOWN = {
    "*: no attribute consumed_inputs": "a hint about memory in opset 1",
    "Dropout: no attribute is_test": BATCH,
    "Dropout: no attribute ratio": BATCH,
    "BatchNormalization: no attribute is_test": BATCH,
    "GRU: no attribute output_sequence": "whoever wants an output names it",
    "LSTM: no attribute output_sequence": "whoever wants an output names it",
    "RNN: no attribute output_sequence": "whoever wants an output names it",
    'GRU: attribute direction is "forward", not "foward"': "the schema's slip",
    "Constant": "one row for all ways to write a value; which of them a version has, the loader does not ask",
    "Clip: attribute max is inf, not 0.0": "no bound is no bound",
    "Clip: attribute min is -inf, not 0.0": "no bound is no bound",
    "Clip: attribute max is inf, not 3.4028234663852886e+38": "no bound is no bound",
    "Clip: attribute min is -inf, not -3.4028234663852886e+38": "no bound is no bound",
    "Concat: attribute axis is 1.0, not 0.0": WORDS,
    "ai.onnx.ml.TreeEnsembleRegressor: attribute n_targets is 1.0, not 0.0": "the number of targets, where one forgot it",
    "ai.onnx.ml.TreeEnsemble: attribute n_targets is 1.0, not 0.0": "as for TreeEnsembleRegressor",
    "ai.onnx.ml.TreeEnsembleRegressor: no attribute nodes_hitrates": "how often nodes were visited has no part in answers",
    "ai.onnx.ml.TreeEnsembleRegressor: no attribute nodes_hitrates_as_tensor": "as nodes_hitrates",
    "ai.onnx.ml.TreeEnsembleClassifier: no attribute nodes_hitrates": "as for TreeEnsembleRegressor",
    "ai.onnx.ml.TreeEnsembleClassifier: no attribute nodes_hitrates_as_tensor": "as for TreeEnsembleRegressor",
    "GridSample: input 0 does not take complex128 complex64 string": NO_VALUE,
    "GridSample: input 1 does not take boolean complex128 complex64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8":
        "places between pixels are no whole numbers; later versions agree",
    "Col2Im: input 0 does not take complex128 complex64 string": NO_VALUE,
    "NonZero: input 0 does not take complex128 complex64 string": NO_VALUE,
    "Unique: input 0 does not take complex128 complex64": NO_VALUE,
    "Erf: input 0 does not take int16 int32 int64 int8 uint16 uint32 uint64 uint8": INTEGERS,
    "LayerNormalization: no version of the schema": "models of ONNX Runtime have it before opset 17",
    "LayerNormalization: no versions of the schema: [1]": "models of ONNX Runtime have it before opset 17",
    "ThresholdedRelu: no version of the schema": "it was experimental before opset 10",
    "ThresholdedRelu: no versions of the schema: [1]": "it was experimental before opset 10",
    "ImageDecoder: is missing": "the library links no decoder of pictures; the library of picture files adds it",
    "com.microsoft.AttnLSTM: is missing": "no exporter is known to write it",
    "com.microsoft.DequantizeBFP: is missing": "a format by number, without a definition",
    "com.microsoft.QuantizeBFP: is missing": "a format by number, without a definition",
    "com.microsoft.DequantizeWithOrder: is missing": DEVICE,
    "com.microsoft.QuantizeWithOrder: is missing": DEVICE,
    "com.microsoft.QOrderedAttention: is missing": DEVICE,
    "com.microsoft.QOrderedGelu: is missing": DEVICE,
    "com.microsoft.QOrderedLayerNormalization: is missing": DEVICE,
    "com.microsoft.QOrderedLongformerAttention: is missing": DEVICE,
    "com.microsoft.QOrderedMatMul: is missing": DEVICE,
    "com.microsoft.EPContext: is missing": PAYLOAD,
    "com.microsoft.Snpe: is missing": PAYLOAD,
    "com.microsoft.MatMulFpQ4: is missing": "weights packed by a library's own, unpublished layout",
    "com.microsoft.GemmFloat8: is missing": "scales without a definition of their order of rounding",
    "com.microsoft.GatedDeltaNet: is missing": "newer than any model",
    "com.microsoft.VarlenCausalConvWithState: is missing": "newer than any model",
    "com.microsoft.VarlenNGramHashMapping: is missing": "newer than any model",
    **{f"com.ms.internal.nhwc.{op}: is missing": "made while a program places nodes, never written to a file"
       for op in ("AveragePool Conv ConvTranspose DepthToSpace GlobalAveragePool GlobalMaxPool GridSample LRN MaxPool "
                  "Resize SpaceToDepth").split()},
}

CLASSES = {
    "float": {"float16", "bfloat16", "float32", "float64"},
    "signed_integers": {"int8", "int16", "int32", "int64"},
    "unsigned_integers": {"uint8", "uint16", "uint32", "uint64"},
    "complex": {"complex64", "complex128"},
}
CLASSES["integer"] = CLASSES["signed_integers"] | CLASSES["unsigned_integers"]
CLASSES["numeric"] = CLASSES["float"] | CLASSES["integer"]
CLASSES["signed"] = CLASSES["float"] | CLASSES["signed_integers"]
CLASSES["fixed"] = CLASSES["numeric"] | CLASSES["complex"] | {
    "boolean", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0", "float4e2m1", "uint4",
    "int4", "uint2", "int2"}
CLASSES["all"] = CLASSES["fixed"] | {"string"}
NAMES = {"float": "float32", "double": "float64", "bool": "boolean"}


def set_of(text, variables):
    found = set()
    for word in text.split("|"):
        found |= variables.get(word.strip()) or CLASSES.get(word.strip()) or {word.strip()}
    return found


class Row:
    def __init__(self, line):
        fields = line.split("\t")
        self.domain, self.name = fields[:2]
        self.since, self.in_min, self.in_max, self.out_min, self.out_max = map(int, fields[2:7])
        self.types = fields[7]
        self.attrs = []
        for field in fields[8:]:
            name, number, text, required, since, last = field.split(",")
            self.attrs.append((name, float(number), text, required == "1", int(since), int(last)))

    def attributes(self, version):
        return {a[0]: a for a in self.attrs if a[4] <= version <= a[5]}

    def input_types(self):
        """A set for each input, the last one for all beyond if it repeats; none where the operator says nothing."""
        if not self.types:
            return lambda index: None
        head, _, rest = self.types.rpartition(":")
        variables = {}
        for definition in filter(None, (part.strip() for part in head.split(";"))):
            name, _, kinds = definition.partition("=")
            variables[name.strip()] = set_of(kinds, {})
        words = [word.strip() for word in rest.split("->")[0].split(",")]
        repeats = bool(words) and words[-1].endswith("...")
        words = [word.removesuffix("...") for word in words]

        def of(index):
            if index < len(words):
                return set_of(words[index], variables)
            return set_of(words[-1], variables) if repeats else None

        return of


def registry():
    rows = {}
    done = subprocess.run([binary / "bin/operators_table", "--rows"], stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        row = Row(line)
        rows.setdefault((row.domain, row.name), []).append(row)
    for known in rows.values():
        known.sort(key=lambda row: row.since)
    return rows


def default_of(attribute):
    """A number or a text; 0 or "" where the schema has none."""
    value = attribute.default_value
    kind = attribute.type.name if hasattr(attribute.type, "name") else str(attribute.type)
    if kind == "STRING":
        return value.s.decode()
    if kind == "INT":
        return float(value.i)
    return float(value.f) if kind == "FLOAT" else 0.0


def plain(name):
    return NAMES.get(name, name)


def tensor_types(strings):
    return {plain(text[len("tensor("):-1]) for text in strings if text.startswith("tensor(")}


def compare(row, schema, differ):
    version = schema.since_version
    most = lambda count: -1 if count >= MANY else count
    if row.in_min > schema.min_input or (row.in_max != -1 and row.in_max < schema.max_input):
        differ(f"inputs {row.in_min} to {row.in_max}, not {schema.min_input} to {most(schema.max_input)}")
    if row.out_min > schema.min_output or (row.out_max != -1 and row.out_max < schema.max_output):
        differ(f"outputs {row.out_min} to {row.out_max}, not {schema.min_output} to {most(schema.max_output)}")
    ours = row.attributes(version)
    for name, attribute in schema.attributes.items():
        if name not in ours:
            differ(f"no attribute {name}")
            continue
        _, number, text, required, _, _ = ours.pop(name)
        if required != attribute.required:
            differ(f"attribute {name} is {'' if required else 'not '}required")
        wanted = default_of(attribute)
        if isinstance(wanted, str):
            if text != wanted and not (wanted == "NOTSET" and not text):
                differ(f'attribute {name} is "{text}", not "{wanted}"')
        elif abs(number - wanted) > 1e-6 * max(1.0, abs(wanted)):
            differ(f"attribute {name} is {number}, not {wanted}")
    for name in ours:
        differ(f"attribute {name} is not in the schema")
    constraints = {c.type_param_str: tensor_types(c.allowed_type_strs) for c in schema.type_constraints}
    takes = row.input_types()
    for index, parameter in enumerate(schema.inputs):
        types = takes(index)
        named = parameter.type_str if hasattr(parameter, "type_str") else parameter.typeStr  # before onnx 1.14
        wanted = constraints.get(named) or tensor_types([named])
        if types is not None and not wanted <= types:
            differ(f"input {index} does not take {' '.join(sorted(wanted - types))}")


def main():
    rows, differences, compared = registry(), [], 0

    def note(domain, name, version, text):
        key = f"{domain}.{name}" if domain else name
        for pattern in (key, f"{key}: {text}", f"*: {text}"):
            if pattern in KNOWN:
                used.add(pattern)
                return
        differences.append(f"{key} {version}: {text}")

    used = set()
    schemas = defs.get_all_schemas_with_history()
    versions = {}
    for schema in schemas:
        versions.setdefault((schema.domain, schema.name), set()).add(schema.since_version)
        if schema.deprecated:
            continue
        candidates = [row for row in rows.get((schema.domain, schema.name), []) if row.since <= schema.since_version]
        if not candidates:
            note(schema.domain, schema.name, schema.since_version, "is missing")
            continue
        compared += 1
        compare(candidates[-1], schema, lambda text: note(schema.domain, schema.name, schema.since_version, text))
    newest = {domain: max(max(v) for (d, _), v in versions.items() if d == domain) for domain in {d for d, _ in versions}}
    for (domain, name), known in rows.items():
        for row in known:
            if domain in newest and row.since <= newest[domain] and row.since not in versions.get((domain, name), {row.since}):
                note(domain, name, row.since, "no version of the schema")
    shared = pathlib.Path(os.environ.get("TESSERA_SHARED", root.parent / "shared")) / "data/ops.json"
    if shared.exists():
        for entry in json.loads(shared.read_text()):
            domain = "" if entry["domain"] == "ai.onnx" else entry["domain"]
            ours = {row.since for row in rows.get((domain, entry["op"]), [])}
            if not ours:
                note(domain, entry["op"], "", "is missing")
            elif domain != "com.microsoft" and not ours <= set(entry["versions"]):
                note(domain, entry["op"], "", f"no versions of the schema: {sorted(ours - set(entry['versions']))}")
            compared += 1
    else:
        print("the list of operators beyond this onnx is not on this machine")
    if compared < 400:
        differences.append(f"only {compared} schemas compared")
    print(f"{compared} schemas compared, {len(used)} known differences")
    if newest[""] == 17 and shared.exists():  # what a newer or an older onnx says may be another part of them
        known = {f"{domain}.{name}" if domain else name for domain, name in versions} | {"*"}
        newer = [key for key in KNOWN if key.split(":")[0] not in known and not key.endswith("is missing")]
        differences += [f"no difference any more: {key}" for key in KNOWN if key not in used and key not in newer]
    for text in differences:
        print(text)
    return bool(differences)


sys.exit(main())
