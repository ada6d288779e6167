"""Half precisions computed and looked up: both ways are what they say, and the section has their times."""

import json

import pytest

from benchmarks import looked_up, page
from softfloor import _core, catalogue

CELLS = looked_up.chosen()


def test_every_variant_of_every_activation_is_measured():
    assert {cell.function for cell in CELLS} == set(catalogue.ACTIVATIONS)
    assert {cell.dtype for cell in CELLS} == set(looked_up.DTYPES)
    assert len(CELLS) == len(catalogue.ACTIVATIONS) * 4 * 2


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.curve} {cell.dtype}")
def test_both_ways_compute_the_same(cell):
    before = _core.set_looked_up(2**62)
    try:
        ways = looked_up.statements(cell)
        assert list(ways) == ["computed", "looked up"]
        results = []
        for name, (statement,) in ways.items():
            with statement.within():
                assert _core.set_looked_up(1) == looked_up.WAYS[name]
            assert _core.set_looked_up(2**62) == 2**62
            results.append([result.tobytes() for result in statement.result()])
        assert results[0] == results[1]
    finally:
        _core.set_looked_up(before)


def test_the_section_of_the_page(tmp_path):
    times = {"computed": 1.0, "looked up": 0.25}
    records = [{"curve": cell.curve, "dtype": cell.dtype, "nanoseconds per element": times} for cell in CELLS]
    records[0]["nanoseconds per element"] = {"computed": 0.25, "looked up": 1.0}
    found = {"processor": "P", "instruction set": "v3", "cells": records}
    (tmp_path / looked_up.OUTPUT.name).write_text(json.dumps(found))
    (text,) = page.files(tmp_path).values()
    assert "on P, v3" in text
    assert f"{len(CELLS) - 1} of {len(CELLS)} cells" in text
    assert f"| `{CELLS[0].curve}` | 0.25 | 1.00 | 1.00 | 0.25 |" in text
