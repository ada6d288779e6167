"""The page docs/large-arrays.md and the example that streams."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = [sys.executable, str(ROOT / "examples" / "larger_than_memory.py"), "--classes", "20000", "--gigabytes", "0.5"]


def test_the_page_runs():
    pytest.importorskip("dask.array")
    page = (ROOT / "docs" / "large-arrays.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    exec(compile("\n".join(blocks), "large-arrays.md", "exec"), {})


def test_the_example_streams():
    pytest.importorskip("dask.array")
    ballast = np.ones(50_000_000)  # 0.4 GB of this process, which must not count as the example's
    done = subprocess.run([*EXAMPLE, "--limit", "0.35"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"peak resident memory 0\.[123]\d GB", done.stdout)
    del ballast
    done = subprocess.run([*EXAMPLE[:-1], "0.01", "--limit", "0.01"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "more than the limit of 0.01 GB" in done.stderr
