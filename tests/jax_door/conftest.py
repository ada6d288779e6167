"""What the tests of softfloor.jax share."""

import pytest


@pytest.fixture
def float64():
    """float64 in jax, for one test."""
    jax = pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
