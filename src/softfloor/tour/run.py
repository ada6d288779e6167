"""The tour from start to end: measure, then try each claim on what was measured."""

from __future__ import annotations

import time
from collections.abc import Callable

import softfloor as sf
from softfloor import catalogue

from . import charts, depth, examples, speed, training
from .cards import card
from .claims import CLAIMS
from .results import COMPARED, Evidence, Report

#: Called with the steps done, the steps in all, and what comes next.
Progress = Callable[[int, int, str], None]


def run(seed: int = 0, quick: bool = False, progress: Progress = lambda done, total, what: None) -> Report:
    """Take the tour.

    Parameters
    ----------
    seed : int, default 0
        The same seed gives the same numbers, timings excepted.
    quick : bool, default False
        Fewer starts and epochs, and rougher timings.
    progress : callable
        Told before each step how many are done, how many there are, and what comes next.

    Returns
    -------
    Report
    """
    # BLAS and softfloor on one thread: the matrices are small, and sums then have one order.
    from threadpoolctl import threadpool_limits

    began = time.perf_counter()
    starts = tuple(10 * seed + k for k in range(2 if quick else 5))
    total = len(catalogue.ACTIVATIONS) + len(COMPARED) * (2 * len(starts) + 1) + len(CLAIMS) + 3
    done = -1

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(done, total, what)

    with threadpool_limits(1):
        cards = []
        for name in catalogue.ACTIVATIONS:
            step(f"card of {name}")
            cards.append(card(name))
        step("reading digits")
        data = training.digits(seed)
        worked = examples.all_examples(seed)
        figures = charts.notes_figures()
        trained, hot, through = {}, {}, {}
        for name in COMPARED:

            def started(name: str = name) -> None:
                step(f"training with {name}")

            trained[name] = training.train(name, data, starts, 15 if quick else 60, progress=started)
            hot[name] = training.train(name, data, starts, 10, rate=training.LARGE_STEP, progress=started)
            step(f"deep networks with {name}")
            through[name] = depth.gradient_norms(name, data, seed)
        figures |= {"depth": charts.depth_figure(through), "training": charts.training_figure(trained)}
        evidence = Evidence(trained, hot, through, worked, figures)
        claims = {}
        for claim in CLAIMS:
            step(f"trying claim {claim.row}")
            claims[claim.row] = claim.tried(evidence)
        step("timing")
        timings = speed.compare(quick)
        step("checking the oracle")
        oracle = speed.oracle_error(12 if quick else 40)
    progress(total, total, "done")
    return Report(
        seed, quick, sf.__version__, sf.cpu.current(), tuple(cards), evidence, claims, timings, oracle,
        time.perf_counter() - began,
    )  # fmt: skip
