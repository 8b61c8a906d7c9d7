"""An operator of one's own in Python, in a model that is written here.

    python custom_operator.py
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

import tessera


class SoftClip:
    """y = x where it is small, and ever nearer to the limit where it is not."""

    domain, name, inputs, outputs = "example", "SoftClip", 1, 1
    types = "T=float : T -> T"

    def __init__(self, node):
        self.limit = node.attributes["limit"]

    def infer(self, x):
        return x  # the same dtype and shape

    def run(self, x):
        return self.limit * np.tanh(x / np.asarray(self.limit, x.dtype))


def port(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])


nodes = [helper.make_node("SoftClip", ["x"], ["c"], domain="example", limit=2.0), helper.make_node("Neg", ["c"], ["y"])]
model = helper.make_model(helper.make_graph(nodes, "clips", [port("x")], [port("y")]), ir_version=8,
                          opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("example", 1)])
onnx.checker.check_model(model)

session = tessera.Session(model, operators=[SoftClip])
x = np.linspace(-4, 4, 5, dtype=np.float32)
for before, after in zip(x, session(x)):
    print(f"{before:g} -> {after:.3f}")
