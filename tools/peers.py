"""The same float32 measurement of what people use today: textbook NumPy, SciPy, torch, jax, ONNX Runtime.

Peers that are not installed are left out; the page says which versions were measured.
"""

import importlib
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

import softfloor as sf
from softfloor import catalogue, formula
from ulp import ulp_errors

Evaluations = dict[str, Callable[[np.ndarray], np.ndarray]]  # by "function.curve"

#: Every 2399th bit pattern (a prime): 1.8 million float32 of all exponents.
STRIDE = 2399


def float32_sample() -> np.ndarray:
    x = np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return x[np.isfinite(x)]


def textbook() -> Evaluations:
    """The formulas as NumPy code, in float32."""
    namespace = formula.numpy()
    result: Evaluations = {}
    for name, record in catalogue.ACTIVATIONS.items():
        parameters = [np.float32(parameter.default) for parameter in record.parameters]
        for curve, function in (("value", record.formula), ("derivative", record.slope)):
            result[f"{name}.{curve}"] = lambda x, f=function, p=parameters: np.asarray(f(namespace, x, *p), np.float32)
    # What people write for relu is faster than its formula.
    return result | {
        "relu.value": lambda x: np.maximum(x, np.float32(0)),
        "relu.derivative": lambda x: (x > 0).astype(np.float32),
    }


def scipy() -> Evaluations:
    from scipy import special

    return {
        "sigmoid.value": special.expit,
        "silu.value": lambda x: x * special.expit(x),
        "gelu.value": lambda x: x * special.ndtr(x),
        "tanh.value": np.tanh,
        "sigmoid.derivative": lambda x: special.expit(x) * special.expit(-x),
    }


def torch() -> Evaluations:
    import torch as library

    library.set_num_threads(1)
    functional = library.nn.functional
    functions = {
        "relu": library.relu,
        "sigmoid": library.sigmoid,
        "tanh": library.tanh,
        "silu": functional.silu,
        "gelu": functional.gelu,
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    }

    def derivative(function: Callable, x: np.ndarray) -> np.ndarray:
        tensor = library.from_numpy(x).requires_grad_()
        function(tensor).sum().backward()
        return tensor.grad.numpy()

    values = {f"{n}.value": lambda x, f=f: f(library.from_numpy(x)).numpy() for n, f in functions.items()}
    return values | {f"{n}.derivative": lambda x, f=f: derivative(f, x) for n, f in functions.items()}


def jax() -> Evaluations:
    import jax as library

    functions = {
        "relu": library.nn.relu,
        "sigmoid": library.nn.sigmoid,
        "tanh": library.numpy.tanh,
        "silu": library.nn.silu,
        "gelu": lambda x: library.nn.gelu(x, approximate=False),
        "gelu_tanh": lambda x: library.nn.gelu(x, approximate=True),
    }
    compiled = {n: library.jit(f) for n, f in functions.items()}
    values = {f"{n}.value": lambda x, f=f: np.asarray(f(x)) for n, f in compiled.items()}
    slopes = {n: library.jit(library.vmap(library.grad(f))) for n, f in functions.items()}
    return values | {f"{n}.derivative": lambda x, f=f: np.asarray(f(x)) for n, f in slopes.items()}


def onnxruntime() -> Evaluations:
    import onnx
    import onnxruntime as library

    helper = onnx.helper

    def session(*nodes: onnx.NodeProto) -> Callable[[np.ndarray], np.ndarray]:
        kind = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", kind, [None])],
            [helper.make_tensor_value_info("y", kind, [None])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        running = library.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return lambda x: running.run(None, {"x": x})[0]

    node = helper.make_node
    return {
        "relu.value": session(node("Relu", ["x"], ["y"])),
        "sigmoid.value": session(node("Sigmoid", ["x"], ["y"])),
        "tanh.value": session(node("Tanh", ["x"], ["y"])),
        "silu.value": session(node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"])),
        "gelu.value": session(node("Gelu", ["x"], ["y"])),
        "gelu_tanh.value": session(node("Gelu", ["x"], ["y"], approximate="tanh")),
    }


#: Label, package whose version is shown, and the evaluations.
PEERS = {
    "textbook NumPy": ("numpy", textbook),
    "SciPy": ("scipy", scipy),
    "torch": ("torch", torch),
    "jax": ("jax", jax),
    "ONNX Runtime": ("onnxruntime", onnxruntime),
}


def measure() -> dict:
    """Worst error in ulp, and the share of the inputs with an error above 1, per peer and curve; ours first."""
    x = float32_sample()
    exact = {}
    for name in catalogue.ACTIVATIONS:
        function = sf.get(name)
        exact[f"{name}.value"], exact[f"{name}.derivative"] = function.value_and_derivative(x.astype(np.float64))
    ours: Evaluations = {f"{name}.value": sf.get(name) for name in catalogue.ACTIVATIONS}
    ours |= {f"{name}.derivative": sf.get(name).derivative for name in catalogue.ACTIVATIONS}
    result = {}
    for label, (package, make) in {"softfloor": ("softfloor", lambda: ours), **PEERS}.items():
        try:
            importlib.import_module(package)
            evaluations = make()
        except ImportError:
            print(f"{label} is not installed", flush=True)
            continue
        curves = {}
        for key, evaluation in evaluations.items():
            with np.errstate(all="ignore"):
                errors = ulp_errors(np.asarray(evaluation(x)), exact[key])
            errors = np.where(np.isnan(errors), np.inf, errors)
            worst = int(np.argmax(errors))
            wrong = float(np.mean(errors >= 1))
            finite = errors[np.isfinite(errors)]
            curves[key] = {
                "error": float(finite.max(initial=0.0)),
                "not a number": int(np.size(errors) - np.size(finite)),
                "x": float(x[worst]).hex(),
                "share above 1 ulp": wrong,
            }
        result[label] = {"version": version(package), "count": int(x.size), "curves": curves}
        print(label, flush=True)
    return result
