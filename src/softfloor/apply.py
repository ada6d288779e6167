"""``softfloor apply``: a function over the arrays of a file.

A .npy file is read through a memory map and written in blocks, so that it may be larger than memory. The output is
written with plain file writes: a full disk is then an error to report, where a mapped file would end the process.
Rows that lie apart in memory and are too long for one block of them all are computed a few at a time, and go through a
scratch file as large as they are together, because writing their entries one by one takes a hundred times as long.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Literal

import ml_dtypes
import numpy as np
from numpy.lib import format as npy

from . import get
from .activation import Activation, check_dtype
from .binary_losses import SigmoidCrossEntropy
from .gates import GatedUnit
from .gumbel import GumbelSoftmax
from .likelihood import NegativeLogLikelihood
from .linear_losses import LinearCrossEntropy
from .losses import SoftmaxCrossEntropy
from .rows import RowFunction
from .whole_file import replacing

DTYPES: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}
SUFFIXES = (".npy", ".npz", ".csv")

#: Elements per block: large enough to keep every thread busy, small beside any memory.
BLOCK = 1 << 22

#: Called with the number of elements done and the number in all.
Progress = Callable[[int, int], None]


class BadUsage(Exception):
    """The command was not given what it needs; exit code 2."""


class BadData(Exception):
    """A file does not hold what the command needs; exit code 1."""


@dataclass(frozen=True)
class Request:
    """What to compute.

    Attributes
    ----------
    name : str
        The function.
    derivative : bool
        Its derivative instead of its value.
    parameters : mapping of str to float
        ``beta`` of silu, ``temperature`` of the softmax family.
    dtype : str or None
        The dtype to compute in and to write; None keeps that of the input.
    axis : int or None
        For functions along an axis; None is the last one.
    """

    name: str
    derivative: bool = False
    parameters: Mapping[str, float] = field(default_factory=dict)
    dtype: str | None = None
    axis: int | None = None

    def __post_init__(self) -> None:
        try:
            function = get(self.name)
        except ValueError as error:
            raise BadUsage(str(error)) from None
        if isinstance(function, GatedUnit):
            raise BadUsage(f"{self.name} takes two arrays, gate and up, and apply reads one; call it from Python")
        if isinstance(function, (SoftmaxCrossEntropy, SigmoidCrossEntropy, NegativeLogLikelihood, LinearCrossEntropy)):
            raise BadUsage(f"{self.name} needs labels beside the logits, and apply reads one array; use Python")
        if isinstance(function, GumbelSoftmax):
            raise BadUsage(f"{self.name} draws random numbers; call it from Python with a generator of yours")
        along_axis = isinstance(function, RowFunction)
        if self.derivative and along_axis:
            elsewhere = f"; see softfloor.{self.name}.jacobian in Python" if hasattr(function, "jacobian") else ""
            raise BadUsage(f"{self.name} works along an axis, and has no derivative per entry{elsewhere}")
        if self.axis is not None and not along_axis:
            raise BadUsage(f"{self.name} works element by element and has no axis")
        accepted = inspect.signature(function).parameters if along_axis else function.parameters
        known = tuple(name for name in accepted if not along_axis or name == "temperature")
        for parameter in self.parameters:
            if parameter not in known:
                names = ", ".join(known) or "none"
                raise BadUsage(f"{self.name} has no parameter {parameter!r}; its parameters: {names}")
        temperature = self.parameters.get("temperature", 1.0)
        if not 0 < temperature < math.inf:
            raise BadUsage(f"temperature must be positive and finite; got {temperature:g}")
        if self.dtype is not None and self.dtype not in DTYPES:
            raise BadUsage(f"no dtype is called {self.dtype!r}; choose from {', '.join(DTYPES)}")

    @property
    def along_axis(self) -> bool:
        return isinstance(get(self.name), RowFunction)

    @property
    def drops_axis(self) -> bool:
        function = get(self.name)
        return isinstance(function, RowFunction) and function.record.kernels[0].signature.endswith("->()")

    def call(self) -> Callable[..., Any]:
        """The function with its parameters bound."""
        function = get(self.name)
        if isinstance(function, Activation) and self.derivative:
            function = function.derivative
        return functools.partial(function, **self.parameters)

    def compute(self, array: Any, axis: int | None = None) -> Any:
        """The function of an array (along ``axis``, where it has one), in the dtype asked for."""
        operand = self.converted(array)
        result = self.call()(operand) if axis is None else self.call()(operand, axis=axis)
        return np.asarray(result)

    def converted(self, array: Any) -> Any:
        """The array in the dtype asked for; the raw items in which NumPy saves bfloat16 are reinterpreted."""
        if self.dtype is None:
            return array
        wanted = DTYPES[self.dtype]
        if self.dtype == "bfloat16" and array.dtype == np.dtype("V2"):
            return array.view(wanted)
        with np.errstate(all="ignore"):
            return array.astype(wanted, copy=False)

    def check(self, array: Any, source: str) -> None:
        """Raise `BadData` or `BadUsage` if the array cannot be computed on; looks at dtype and shape only."""
        if array.dtype == np.dtype("V2") and self.dtype != "bfloat16":
            raise BadData(
                f"{source} holds raw items of 2 bytes; if they are bfloat16 saved by NumPy, add --dtype bfloat16"
            )
        if array.dtype != np.dtype("V2"):
            try:
                check_dtype(self.name, source, array)
            except TypeError as error:
                raise BadData(str(error)) from None
        if self.along_axis:
            axis = -1 if self.axis is None else self.axis
            if not -array.ndim <= axis < array.ndim:
                raise BadUsage(f"axis {axis} is out of range for {source}, which has {array.ndim} axes")


def apply(request: Request, source: Path, target: Path, progress: Progress = lambda done, total: None) -> str:
    """Compute a function of the arrays in ``source`` and write them to ``target``, whole or not at all.

    Parameters
    ----------
    request : Request
        What to compute.
    source, target : Path
        Files with one of the suffixes of `SUFFIXES`, the same for both.
    progress : callable
        Told after each block how many elements are done, of how many.

    Returns
    -------
    str
        What was written, for people: shape and dtype.

    Raises
    ------
    BadUsage
        If the request does not fit the arrays.
    BadData
        If the source cannot be read as its suffix says.
    OSError
        If reading or writing fails.
    """
    work = {".npy": _apply_npy, ".npz": _apply_npz, ".csv": _apply_csv}[source.suffix.lower()]
    return work(request, source, target, progress)


def _apply_npy(request: Request, source: Path, target: Path, progress: Progress) -> str:
    with source.open("rb") as file:
        array = _mapped(file, source)
    request.check(array, source.name)
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    memory = array.T if fortran else array
    if request.along_axis:
        axis = range(array.ndim)[-1 if request.axis is None else request.axis]
        axis = array.ndim - 1 - axis if fortran else axis
        outer, row, inner = math.prod(memory.shape[:axis]), memory.shape[axis], math.prod(memory.shape[axis + 1 :])
        shape = memory.shape[:axis] + memory.shape[axis + 1 :] if request.drops_axis else memory.shape
        written = 1 if request.drops_axis else row
    else:
        outer, row, inner, shape, written = memory.size, 1, 1, memory.shape, 1
    cube = memory.reshape(outer, row, inner)
    axis_in_block = 1 if request.along_axis else None
    dtype = request.compute(np.zeros((1, 1, 1), array.dtype), axis_in_block).dtype
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": fortran, "shape": shape[::-1] if fortran else shape}
    done = 0
    # Rows in scratch are read back in pieces of BLOCK // inner entries, against writes in place of BLOCK // row.
    through_scratch = row * inner > BLOCK and 1 < inner < row and not request.drops_axis
    with replacing(target) as output, _scratch(output) if through_scratch else nullcontext(output) as scratch:
        npy.write_array_header_1_0(output, header)
        start = output.tell()
        for outers, inners in _blocks(outer, row, inner):
            result = request.compute(cube[outers, :, inners], axis_in_block)
            result = result.reshape(outers.stop - outers.start, written, inners.stop - inners.start)
            if result.shape[2] == inner:
                output.write(_bytes(result))
            elif through_scratch:
                scratch.write(_bytes(result[0].T))
                if inners.stop == inner:
                    _copy_transposed(scratch, output, row, inner, dtype)
                    scratch.seek(0)
            else:
                for k in range(written):
                    output.seek(start + ((outers.start * written + k) * inner + inners.start) * dtype.itemsize)
                    output.write(_bytes(result[0, k]))
            done += result.shape[0] * row * result.shape[2]
            progress(done, array.size)
    return f"shape {header['shape']}, {dtype}"


def _mapped(file: BufferedReader, source: Path) -> Any:
    """The array of a .npy file, mapped into memory and not read."""
    try:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"version {version} of the format is for structured arrays")
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise BadData(f"{source.name} holds Python objects; convert it with .astype first")
        order: Literal["F", "C"] = "F" if fortran else "C"
        needed = math.prod(shape) * dtype.itemsize
        present = source.stat().st_size - file.tell()
        if present < needed:
            raise ValueError(f"{needed} bytes of data are announced and {present} are there")
        if needed == 0:
            return np.empty(shape, dtype, order)
        return np.memmap(file, dtype, "r", file.tell(), shape, order)
    except (BadData, OSError):
        raise
    except Exception as error:  # whatever a malformed header makes NumPy raise
        raise BadData(f"{source.name} is corrupt or truncated: {_one_line(error)}") from None


def _blocks(outer: int, row: int, inner: int) -> Iterator[tuple[slice, slice]]:
    """Parts of an (outer, row, inner) array as slices of outer and inner: whole rows, `BLOCK` elements if possible."""
    if row * inner <= BLOCK:
        step = max(1, BLOCK // max(1, row * inner))
        for i in range(0, outer, step):
            yield slice(i, min(i + step, outer)), slice(0, inner)
    else:
        step = max(1, BLOCK // row)
        for i in range(outer):
            for j in range(0, inner, step):
                yield slice(i, i + 1), slice(j, min(j + step, inner))


def _scratch(file: BinaryIO) -> BinaryIO:
    """A file without a name in the folder of ``file``, where there is room for what is written to it."""
    return tempfile.TemporaryFile(dir=os.path.dirname(file.name))


def _copy_transposed(source: BinaryIO, target: BinaryIO, row: int, inner: int, dtype: np.dtype[Any]) -> None:
    """Append the (inner, row) array that ``source`` holds to ``target`` as (row, inner), `BLOCK` elements at a time."""
    step = max(1, BLOCK // inner)
    for k in range(0, row, step):
        part = np.empty((inner, min(step, row - k)), dtype)
        for j in range(inner):
            source.seek((j * row + k) * dtype.itemsize)
            source.readinto(part[j].view(np.uint8).data)  # type: ignore[attr-defined]
        target.write(_bytes(part.T))


def _bytes(array: Any) -> Any:
    """The bytes of an array as a buffer: that of bfloat16 is not one that Python knows."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _apply_npz(request: Request, source: Path, target: Path, progress: Progress) -> str:
    try:
        archive = zipfile.ZipFile(source)
    except OSError:
        raise
    except Exception as error:
        raise BadData(f"{source.name} is not a whole .npz file: {_one_line(error)}") from None
    with archive, replacing(target) as file, zipfile.ZipFile(file, "w") as output:
        members = archive.infolist()
        for k, member in enumerate(members):
            array = _member(archive, member, source)
            label = f"{source.name}[{member.filename.removesuffix('.npy')}]"
            request.check(array, label)
            axis = (-1 if request.axis is None else request.axis) if request.along_axis else None
            result = request.compute(array, axis)
            entry = zipfile.ZipInfo(member.filename)
            entry.compress_type = member.compress_type
            with output.open(entry, "w", force_zip64=True) as stream:
                npy.write_array(stream, result, allow_pickle=False)
            progress(k + 1, len(members))
    return f"{len(members)} array{'' if len(members) == 1 else 's'}"


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: Path) -> Any:
    if not member.filename.endswith(".npy"):
        raise BadData(f"{source.name} holds {member.filename!r}, which is not an array")
    try:
        with archive.open(member) as stream:
            array = npy.read_array(stream, allow_pickle=False)
            stream.read()  # to the end of the member, where its checksum is compared
            return array
    except Exception as error:
        problem = f"array {member.filename!r} is corrupt, truncated or not numeric: {_one_line(error)}"
        raise BadData(f"{source.name}: {problem}") from None


def _apply_csv(request: Request, source: Path, target: Path, progress: Progress) -> str:
    lines = [line for line in _text_lines(source) if line.partition("#")[0].strip()]
    if not lines:
        raise BadData(f"{source.name} holds no numbers")
    try:
        array = np.loadtxt(lines, delimiter=",", ndmin=2)
    except ValueError as error:
        raise BadData(f"{source.name} is not a table of numbers: {_one_line(error)}") from None
    request.check(array, source.name)
    axis = (-1 if request.axis is None else request.axis) if request.along_axis else None
    result = request.compute(array, axis)
    table = result[:, None] if result.ndim == 1 else result
    with replacing(target) as file:
        for row in table:
            # str of a NumPy scalar is its shortest decimal that reads back to the same bits.
            file.write((",".join(map(str, row)) + "\n").encode())
    progress(array.size, array.size)
    return f"shape {result.shape}, {result.dtype}"


def _text_lines(source: Path) -> list[str]:
    try:
        return source.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadData(f"{source.name} is not text") from None


def _one_line(error: Exception) -> str:
    """The first sentence of an error of a library."""
    return " ".join(str(error).split()).partition(";")[0].rstrip(".") or type(error).__name__
