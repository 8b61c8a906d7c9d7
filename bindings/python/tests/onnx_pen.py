"""Writes small ONNX files, byte by byte: tests need no package for that."""

import struct

import numpy as np

import tessera._dtypes as dtypes


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def whole(field, number):
    return varint(field << 3) + varint(number)


def real(field, number):
    return varint(field << 3 | 5) + struct.pack("<f", number)


def piece(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name, array, number=None):
    """A TensorProto; of strings where the array holds objects."""
    array = np.asarray(array)
    number = number or dtypes.number_of(array.dtype)
    text = b"".join(whole(1, extent) for extent in array.shape) + whole(2, number) + piece(8, name)
    if number == dtypes.STRING:
        return text + b"".join(piece(6, item) for item in array.reshape(-1))
    return text + piece(9, array.tobytes())


def attribute(name, value):
    text = piece(1, name)
    if isinstance(value, float):
        return text + real(2, value) + whole(20, 1)
    if isinstance(value, int):
        return text + whole(3, value) + whole(20, 2)
    if isinstance(value, str):
        return text + piece(4, value) + whole(20, 3)
    if isinstance(value, bytes):
        return text + piece(6, value) + whole(20, 5)
    if isinstance(value[0], int):
        return text + b"".join(whole(8, item) for item in value) + whole(20, 7)
    return text + b"".join(piece(9, item) for item in value) + whole(20, 8)


def node(op, inputs, outputs, domain="", name="", **attributes):
    return (b"".join(piece(1, one) for one in inputs) + b"".join(piece(2, one) for one in outputs) + piece(3, name) +
            piece(4, op) + b"".join(piece(5, attribute(key, value)) for key, value in attributes.items()) +
            piece(7, domain))


def tensor_type(dtype, shape=None):
    dims = b"" if shape is None else piece(2, b"".join(
        piece(1, piece(2, extent) if isinstance(extent, str) else b"" if extent is None else whole(1, extent))
        for extent in shape))
    return piece(1, whole(1, dtypes.number_of(dtype)) + dims)


def sequence_type(item):
    return piece(4, piece(1, item))


def optional_type(item):
    return piece(9, piece(1, item))


def map_type(key, value):
    return piece(5, whole(1, dtypes.number_of(key)) + piece(2, value))


def port(name, kind):
    return piece(1, name) + piece(2, kind)


def model(nodes, inputs, outputs, initializers=(), opset=17, ml=3, metadata=(), ir_version=8,
          domains=()):
    """Nodes of node(); inputs and outputs as (name, type) pairs of *_type()."""
    graph = (b"".join(piece(1, one) for one in nodes) + piece(2, "graph") +
             b"".join(piece(5, one) for one in initializers) + b"".join(piece(11, port(*one)) for one in inputs) +
             b"".join(piece(12, port(*one)) for one in outputs))
    return (whole(1, ir_version) + piece(2, "pen") + piece(3, "1") + piece(7, graph) +
            b"".join(piece(8, piece(1, domain) + whole(2, 1)) for domain in domains) +
            piece(8, piece(1, "") + whole(2, opset)) + piece(8, piece(1, "ai.onnx.ml") + whole(2, ml)) +
            b"".join(piece(14, piece(1, key) + piece(2, value)) for key, value in metadata))


def unary(op, dtype, shape=("n", ), to=None, **attributes):
    """y = op(x)."""
    return model([node(op, ["x"], ["y"], name="only", **attributes)], [("x", tensor_type(dtype, shape))],
                 [("y", tensor_type(to or dtype))])
