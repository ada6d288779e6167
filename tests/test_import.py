"""What ``import softfloor`` costs, as far as it can be tested without a clock: the modules that it loads."""

import json

from processes import output_of

#: Beside the package itself and NumPy: bfloat16, and what dataclasses and importlib's loaders need.
EXPECTED = {
    "ml_dtypes",
    "__future__",
    "dataclasses",
    "inspect",
    "ast",
    "_ast",
    "dis",
    "opcode",
    "_opcode",
    "importlib",
    "pkgutil",
}
#: Loaded when somebody asks for what they do.
LAZY = {"softfloor.tour", "softfloor.plot", "softfloor.cli", "softfloor.commands", "softfloor.apply", "softfloor.facts"}


def loaded_by_import():
    return set(
        json.loads(
            output_of(
                """
import json, sys, importlib.util
import numpy
importlib.util.find_spec("softfloor")  # an editable install loads its own loader here
before = set(sys.modules)
import softfloor
print(json.dumps(sorted(set(sys.modules) - before)))
"""
            )
        )
    )


def test_few_modules_are_loaded():
    loaded = loaded_by_import()
    others = {name.partition(".")[0] for name in loaded} - {"softfloor"}
    assert others <= EXPECTED
    assert not loaded & LAZY


def test_numpy_modules():
    """NumPy's own lazy parts stay unloaded: numpy.random and numpy.fft alone take milliseconds."""
    assert not {name for name in loaded_by_import() if name.startswith("numpy.")}
