"""Each test of a compiler starts with an empty cache: otherwise the limit on recompilations counts all of them."""

import pytest


@pytest.fixture(autouse=True)
def fresh_compiler():
    yield
    import sys

    if "torch._dynamo" in sys.modules:
        sys.modules["torch._dynamo"].reset()
