"""ONNX Runtime: graphs of few nodes, operands bound beforehand; given outputs are bound too."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from softfloor import catalogue

from .. import operands
from ..cells import Cell
from ..statement import Absent, Arrays, Statement

node = helper.make_node

_TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "int64": TensorProto.INT64,
}
#: Nodes from "x" to "y". The runtime fuses Sigmoid and Mul into one.
_ACTIVATIONS = {
    "relu": [node("Relu", ["x"], ["y"])],
    "sigmoid": [node("Sigmoid", ["x"], ["y"])],
    "tanh": [node("Tanh", ["x"], ["y"])],
    "silu": [node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])],
    "gelu": [node("Gelu", ["x"], ["y"])],
    "gelu_tanh": [node("Gelu", ["x"], ["y"], approximate="tanh")],
}


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    given = {name: _value(array) for name, array in arrays.items()}
    graphs = [_nodes(cell)]
    if cell.dtype in ("float16", "bfloat16"):  # kernels of half precision are few: cast to float32 and back
        graphs.append(_cast(graphs[0], cell.dtype))
    found: list[Statement] = []
    reason = ""
    for nodes in graphs:
        try:
            found.extend(_of_graph(cell, nodes, arrays, given, threads))
        except Exception as error:  # the runtime's exceptions share no base class of their own
            reason = reason or " ".join(str(error).split())
    if not found:
        raise Absent(f"no kernel ({reason[:120]})")
    return found


def _of_graph(cell: Cell, nodes: list[Any], arrays: Arrays, given: dict[str, Any], threads: int) -> list[Statement]:
    kind = _TYPES[cell.dtype]
    infos = [helper.make_tensor_value_info(n, _TYPES[a.dtype.name], [None] * a.ndim) for n, a in arrays.items()]
    result = [helper.make_tensor_value_info("y", kind, None)]
    model = helper.make_model(
        helper.make_graph(nodes, "g", infos, result), opset_imports=[helper.make_opsetid("", 20)], ir_version=9
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = []
    binding = session.io_binding()
    for name, value in given.items():
        binding.bind_ortvalue_input(name, value)
    if cell.out:
        output = _value(operands.outputs(cell)[0])
        binding.bind_ortvalue_output("y", output)
        names = {"run": session.run_with_iobinding, "binding": binding, "out": output, "keep": arrays}
        found.append(Statement("run(binding); y = out", names))
    else:
        names = {"run": session.run_with_iobinding, "binding": binding, "keep": arrays}
        text = (
            "binding.clear_binding_outputs(); binding.bind_output('y', 'cpu'); run(binding); y = binding.get_outputs()"
        )
        found.append(Statement(text, names))
        if cell.dtype != "bfloat16":
            found.append(Statement("y = run(None, given)[0]", {"run": session.run, "given": arrays}))
    for statement in found:
        statement.seconds(1)
    return found


def _value(array: np.ndarray) -> Any:
    if array.dtype.name == "bfloat16":
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), TensorProto.BFLOAT16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _cast(nodes: list[Any], dtype: str) -> list[Any]:
    inside = [
        node(
            n.op_type,
            [{"x": "wide_x"}.get(name, name) for name in n.input],
            [{"y": "wide_y"}.get(name, name) for name in n.output],
            **{a.name: helper.get_attribute_value(a) for a in n.attribute},
        )
        for n in nodes
    ]
    return [
        node("Cast", ["x"], ["wide_x"], to=TensorProto.FLOAT),
        *inside,
        node("Cast", ["wide_y"], ["y"], to=_TYPES[dtype]),
    ]


def _nodes(cell: Cell) -> list[Any]:
    if cell.function in catalogue.ACTIVATIONS and cell.function in _ACTIVATIONS:
        if cell.variant != "value":
            raise Absent
        return _ACTIVATIONS[cell.function]
    if cell.curve == "swiglu.value":
        return [
            node("Sigmoid", ["gate"], ["s"]),
            node("Mul", ["gate", "s"], ["g"]),
            node("Mul", ["g", "up"], ["y"]),
        ]
    if cell.function in catalogue.GATES or cell.variant == "value_and_grad":
        raise Absent
    along = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "hardmax": "Hardmax"}
    if cell.function == "softmin":
        return [node("Neg", ["z"], ["n"]), node("Softmax", ["n"], ["y"], axis=cell.axis)]
    if cell.function in along:
        return [node(along[cell.function], ["z"], ["y"], axis=cell.axis)]
    raise Absent
