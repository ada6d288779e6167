"""Medians of interleaved samples: all contenders of a cell take turns, so that a noisy machine disturbs all alike."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from .statement import Statement

#: A sample repeats a statement until it lasts this long: the clock and its call are then below a thousandth.
SAMPLE = 200e-6
#: A contender this many times slower than the fastest, whose samples are long, is measured once and not again.
FAR, LONG = 3.0, 5e-3
#: A statement that takes longer than this is not run again to find out how long it takes, nor before each sample. All
#: others are: a sample is to tell what a loop takes, whose memory and threads are at hand since the call before. A
#: first call that writes fresh memory may take twenty times as long as the next, and must not pass for a slow function.
AGAIN = 1.0
#: Where several threads run, the statement runs for this long before each sample: its threads have fallen asleep in the
#: rest before.
WARM = 5e-3
#: The least rest before a sample where several threads run, and the time in which it shows whether threads still wait
#: for work (processor time is known by ticks of some milliseconds): ONNX Runtime's do so for 40 ms after a call.
REST, WINDOW, LONGEST = 1e-3, 10e-3, 0.2


class Effort(NamedTuple):
    """How much time goes into a cell: ``budget`` seconds of samples within a least and a largest number of rounds."""

    budget: float
    least: int
    most: int


FULL = Effort(0.12, 7, 25)
QUICK = Effort(0.1, 5, 15)


class Measured(NamedTuple):
    """Seconds per call, and the number of samples that it is the median of."""

    seconds: float
    samples: int


class _Contender(NamedTuple):
    statement: Statement
    number: int
    seconds: float
    #: Until its threads no longer take a processor from others.
    rest: float = 0.0

    @property
    def sample(self) -> float:
        return self.number * self.seconds

    def warm_up(self, threads: bool) -> int:
        """The runs before each sample."""
        if self.seconds > AGAIN:
            return 0
        return math.ceil(WARM / self.seconds) if threads else 1


def measure(
    contenders: Mapping[str, Sequence[Statement]], effort: Effort, threads: bool = False
) -> dict[str, Measured]:
    """Time the contenders, each by the fastest of its statements, which have run once (compiled, caches warm).

    Where they use ``threads``, those of the one before come to rest before each sample.
    """
    running = {
        label: min((_calibrated(s, threads) for s in statements), key=lambda c: c.seconds)
        for label, statements in contenders.items()
    }
    if threads:
        running = {label: contender._replace(rest=_rest_after(contender)) for label, contender in running.items()}
    fastest = min(contender.seconds for contender in running.values())
    near = {k: c for k, c in running.items() if c.sample <= LONG or c.seconds <= FAR * fastest}
    turn = sum(c.sample + c.warm_up(threads) * c.seconds + c.rest for c in near.values())
    rounds = max(effort.least, min(effort.most, int(effort.budget / turn)))
    samples: dict[str, list[float]] = {label: [] for label in near}
    order = list(near)
    shuffle = random.Random(0).shuffle
    rest = 0.0
    for _ in range(rounds):
        shuffle(order)
        for label in order:
            time.sleep(rest)
            samples[label].append(_sample(near[label], threads))
            rest = near[label].rest
    result = {label: Measured(contender.seconds, 1) for label, contender in running.items()}
    return result | {label: Measured(median(taken), rounds) for label, taken in samples.items()}


def _calibrated(statement: Statement, threads: bool) -> _Contender:
    """How often to repeat a statement. The first run may pay for memory that all others reuse."""
    if threads:
        _wait_for_rest()  # beside a thread that waits busily, one of its own may stand still for milliseconds
    seconds = statement.seconds(1)
    if seconds < AGAIN:
        seconds = min(seconds, statement.seconds(1))
    number = 1
    while number * seconds < SAMPLE:
        number = max(number + 1, math.ceil(1.2 * SAMPLE / max(seconds, 1e-8)))
        seconds = statement.seconds(number) / number
    return _Contender(statement, number, seconds)


def _sample(contender: _Contender, threads: bool) -> float:
    if runs := contender.warm_up(threads):
        contender.statement.seconds(runs)
    return contender.statement.seconds(contender.number) / contender.number


def _rest_after(contender: _Contender) -> float:
    _wait_for_rest()  # of those before
    contender.statement.seconds(1)
    return _wait_for_rest()


def _wait_for_rest() -> float:
    """Until when a thread was busy, in seconds from now."""
    begin, busy = time.perf_counter(), REST
    while busy < LONGEST:
        before = time.process_time()
        time.sleep(WINDOW)
        if time.process_time() - before < 0.2 * WINDOW:
            break
        busy = time.perf_counter() - begin
    return busy
