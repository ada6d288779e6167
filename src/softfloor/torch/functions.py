"""The functions of `softfloor.torch`, by name."""

from __future__ import annotations

from typing import Any

from ..catalogue import ACTIVATIONS
from .activations import Activation

FUNCTIONS: dict[str, Any] = {name: Activation(record) for name, record in ACTIVATIONS.items()}
