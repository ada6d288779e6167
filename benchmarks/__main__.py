"""``python -m benchmarks``, in a checkout."""

import sys

#: What the benchmark itself needs of the extra; a library to compare with may be absent.
_NEEDED = ("typer", "rich", "matplotlib")

try:
    from .commands import app
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in _NEEDED:
        raise
    sys.exit(f"benchmarks: {error.name} is missing; pip install '.[bench]' has all that is needed")

app(prog_name="python -m benchmarks")
