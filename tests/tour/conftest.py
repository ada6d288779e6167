"""One short tour for all tests of what it finds."""

import os

import pytest

from softfloor import tour


@pytest.fixture(scope="session")
def report():
    return tour.run(seed=0, quick=True)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
