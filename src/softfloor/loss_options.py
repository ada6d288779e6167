"""The options of a cross-entropy: class weights, ignored labels, smoothing, z-loss, softcap."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .layout import as_logits, first_place, one_number

#: No weight, z_loss or softcap is larger: products with logits and with each other keep their digits.
LARGEST = 1e100


class LossOptions:
    """The options of `softmax_cross_entropy`, checked; `nll` has the first two."""

    def __init__(
        self,
        function: str,
        weight: Any,
        ignore_index: Any,
        label_smoothing: Any = 0.0,
        z_loss: Any = 0.0,
        softcap: Any = None,
        largest_weight: float = LARGEST,
    ) -> None:
        self.function = function
        self.weight = None if weight is None else self._class_weights(weight, largest_weight)
        self.ignore_index = None if ignore_index is None else self._integer("ignore_index", ignore_index)
        self.label_smoothing = self._number("label_smoothing", label_smoothing, 0.0, 1.0)
        self.z_loss = self._number("z_loss", z_loss, 0.0, LARGEST)
        #: In a kernel's operand, no softcap is an infinite one.
        self.softcap = math.inf if softcap is None else self._number("softcap", softcap, 1 / LARGEST, LARGEST)

    @property
    def change_losses(self) -> bool:
        """Whether a row that counts costs anything else than without options."""
        return self.weight is not None or self.label_smoothing > 0 or self.z_loss > 0 or self.softcap < math.inf

    def weights_of(self, classes: int) -> Any:
        """One weight per class, for the kernels."""
        if self.weight is None:
            return np.ones(classes)
        if self.weight.shape != (classes,):
            raise ValueError(
                f"{self.function}: weight has shape {self.weight.shape}; {classes} classes need ({classes},)"
            )
        return self.weight

    def keeps(self, labels: Any) -> Any:
        """Which class labels are not ignored; None where none can be."""
        return None if self.ignore_index is None else labels != self.ignore_index

    def refuse_ignored_probabilities(self) -> None:
        if self.ignore_index is not None:
            raise ValueError(
                f"{self.function}: ignore_index is for class labels; got probabilities, of the logits' shape"
            )

    def _class_weights(self, weight: Any, largest: float) -> Any:
        weights = np.asarray(as_logits(self.function, "weight", weight), np.float64)
        wrong = ~((weights >= 0) & (weights <= largest))
        if wrong.any():
            first, where = first_place(wrong)
            raise ValueError(f"{self.function}: weight {weights[first]}{where} is not between 0 and {largest:g}")
        return weights

    def _integer(self, name: str, value: Any) -> int:
        try:
            return operator.index(value)
        except TypeError:
            raise TypeError(f"{self.function}: {name} must be an integer; got {value!r}") from None

    def _number(self, name: str, value: Any, lowest: float, largest: float) -> float:
        number = one_number(f"{self.function}: {name}", value)
        if not lowest <= number <= largest:
            raise ValueError(f"{self.function}: {name} must be between {lowest:g} and {largest:g}; got {value!r}")
        return number
