"""The softmax family within 2 ulp + n 2^-26 relative, against MPFR, with n up to a million."""

import numpy as np
import pytest

import row_samples
from ulp import FORMATS


@pytest.mark.parametrize("length", [1, 3, 100, 10_000])
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", row_samples.VALUES)
def test_rows(name, dtype, length):
    for row in row_samples.rows(dtype, length, 6):
        positions = np.unique([int(np.argmax(row)), *range(0, length, max(1, length // 100))])
        assert max(error / allowed for error, allowed in row_samples.row_errors(name, row, positions)) <= 1


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", row_samples.VALUES)
def test_a_million_entries(name, dtype):
    (row,) = row_samples.rows(dtype, 10**6, 1)
    positions = np.unique([int(np.argmax(row)), *range(0, 10**6, 20_011)])
    assert max(error / allowed for error, allowed in row_samples.row_errors(name, row, positions)) <= 1
