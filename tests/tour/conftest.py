"""One short tour for all tests of what it finds."""

import pytest

from softfloor import tour


@pytest.fixture(scope="session")
def report():
    return tour.run(seed=0, quick=True)
