"""The figures of the tour: the two of the notes, redrawn, and those of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from softfloor import plot

from .results import COMPARED, Depth, Training


def notes_figures() -> dict[str, Any]:
    """The figures of the notes, by their names there."""
    names = ["relu", "gelu", "silu"]
    return {
        "relu_and_variants": plot.figure_of(names, title="relu and its smooth variants"),
        "relu_func_vs_derivative": plot.figure_of(
            names, derivative=True, beside=True, landmarks=True, title="functions beside their derivatives"
        ),
    }


def depth_figure(depth: Mapping[str, Depth]) -> Any:
    """Gradient norm by layer of the deepest networks."""
    figure, (axes,) = _panels(1)
    for name in COMPARED:
        norms = depth[name].by_layer
        axes.plot(range(1, len(norms) + 1), norms, color=plot.colour_of(name), linewidth=2, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("layer")
    axes.set_title("gradient norm relative to the last layer", color=plot.INK, fontsize=11)
    plot.legend(axes, loc="lower right")
    return figure


def training_figure(training: Mapping[str, Training]) -> Any:
    """Test accuracy and training loss, epoch by epoch."""
    figure, (accuracy, loss) = _panels(2)
    for name in COMPARED:
        run = training[name]
        epochs = range(1, len(run.loss_curve) + 1)
        accuracy.plot(
            epochs, [100 * a for a in run.accuracy_curve], color=plot.colour_of(name), linewidth=2, label=name
        )
        loss.plot(epochs, run.loss_curve, color=plot.colour_of(name), linewidth=2, label=name)
    accuracy.set_title("test images told right (%)", color=plot.INK, fontsize=11)
    loss.set_title("training loss", color=plot.INK, fontsize=11)
    loss.set_yscale("log")
    for axes in (accuracy, loss):
        axes.set_xlabel("epoch")
    plot.legend(accuracy, loc="lower right")
    return figure


def _panels(count: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8 * count + 1.6 * (count == 1), 4.0), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    for axes in panels:
        plot.style(axes)
    return figure, panels
