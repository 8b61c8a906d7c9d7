"""Networks as ONNX files, written and read without any library: a message of protobuf is a list of fields."""
import pathlib

import numpy

FLOAT, OPSET, IR = 1, 17, 8


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def message(*parts):
    """Bytes of (number, value) pairs: an integer, a text or bytes."""
    out = b""
    for number, value in parts:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def fields(data):
    """(number, value) of each field of a message: an integer or bytes."""
    at = 0

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or number()
        yield key >> 3, data[at:at + size]
        at += size


def attribute(name, value):
    if isinstance(value, str):
        return message((1, name), (4, value), (20, 3))
    if isinstance(value, int):
        return message((1, name), (3, value), (20, 2))
    return message((1, name), *((8, item) for item in value), (20, 7))


def node(kind, inputs, output, **attributes):
    return message(*((1, name) for name in inputs), (2, output), (3, output), (4, kind),
                   *((5, attribute(name, value)) for name, value in attributes.items()))


def tensor(name, values):
    values = numpy.ascontiguousarray(values, "<f4")
    return message(*((1, extent) for extent in values.shape), (2, FLOAT), (8, name), (9, values.tobytes()))


def port(name, *extents):
    shape = message(*((1, message((1 if isinstance(extent, int) else 2, extent))) for extent in extents))
    return message((1, name), (2, message((1, message((1, FLOAT), (2, shape))))))


def write_compact(path, values, scale, metadata):
    """A Compact network of these parameters (weight, bias, slope in turn), as network.Compact computes it."""
    nodes = [node("Resize", ["in", "", "scales"], "base", mode="nearest", coordinate_transformation_mode="asymmetric",
                  nearest_mode="floor")]
    tensors = [tensor("scales", numpy.array([1, 1, scale, scale]))]
    last = "in"
    for index in range(0, len(values), 3):
        layer = f"conv{index // 3}"
        tensors += [tensor(f"{layer}.weight", values[index]), tensor(f"{layer}.bias", values[index + 1])]
        nodes.append(node("Conv", [last, f"{layer}.weight", f"{layer}.bias"], layer, kernel_shape=[3, 3],
                          pads=[1, 1, 1, 1]))
        last = layer
        if index + 2 < len(values):
            tensors.append(tensor(f"{layer}.slope", values[index + 2].reshape(-1, 1, 1)))
            last = f"{layer}.active"
            nodes.append(node("PRelu", [layer, f"{layer}.slope"], last))
    nodes.append(node("DepthToSpace", [last], "detail", blocksize=scale, mode="CRD"))
    nodes.append(node("Add", ["detail", "base"], "out"))
    graph = message(*((1, item) for item in nodes), (2, path.stem), *((5, item) for item in tensors),
                    (11, port("in", "batch", 3, "height", "width")),
                    (12, port("out", "batch", 3, "out_height", "out_width")))
    path.write_bytes(message((1, IR), (2, "tessera"), (7, graph), (8, message((2, OPSET))),
                             *((14, message((1, key), (2, value))) for key, value in metadata.items())))


def read_compact(path):
    """The parameters of such a file, weight, bias and slope in turn."""
    convolutions, slopes = [], []
    graph = dict(fields(pathlib.Path(path).read_bytes()))[7]
    for item in (value for number, value in fields(graph) if number == 5):
        parts = list(fields(item))
        shape = [value for number, value in parts if number == 1]
        raw = next(value for number, value in parts if number == 9)
        values = numpy.frombuffer(raw, "<f4").reshape(shape).copy()
        if shape == [4]:
            continue  # the scales of the base
        (slopes if len(shape) == 3 else convolutions).append(values)
    for index, slope in enumerate(slopes):
        convolutions.insert(3 * index + 2, slope.flatten())
    return convolutions
