"""What tests of several files ask for by name."""

import pytest

from direct_ways import Way
from softfloor import _core


@pytest.fixture
def threads_for_small_calls():
    """Calls of any size are split among the threads that are asked for."""
    before = _core.set_share(0)
    yield
    _core.set_share(before)


@pytest.fixture
def way(name, monkeypatch):
    """Of the method of that name."""
    return Way(name, monkeypatch)
