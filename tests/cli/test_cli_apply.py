"""``softfloor apply``: what it writes is what the functions give, in blocks, for every kind of file."""

import os
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from softfloor import apply, whole_file

INPUT = np.linspace(-6, 6, 210).reshape(5, 6, 7)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["gelu"], lambda x: sf.gelu(x)),
        (["gelu", "--derivative"], lambda x: sf.gelu.derivative(x)),
        (["silu", "--param", "beta=1.5"], lambda x: sf.silu(x, beta=1.5)),
        (["silu", "-p", "beta=-0.5", "-d"], lambda x: sf.silu.derivative(x, beta=-0.5)),
        (["tanh", "--dtype", "float32"], lambda x: sf.tanh(x.astype(np.float32))),
        (["tanh", "--dtype", "float16"], lambda x: sf.tanh(x.astype(np.float16))),
        (["softmax"], lambda x: sf.softmax(x)),
        (["softmax", "--axis", "0"], lambda x: sf.softmax(x, axis=0)),
        (["softmax", "--axis", "1", "-p", "temperature=0.5"], lambda x: sf.softmax(x, axis=1, temperature=0.5)),
        (["log_softmax", "--axis", "-2"], lambda x: sf.log_softmax(x, axis=-2)),
        (["logsumexp", "--axis", "0"], lambda x: sf.logsumexp(x, axis=0)),
        (["logsumexp", "--axis", "1"], lambda x: sf.logsumexp(x, axis=1)),
        (["logsumexp"], lambda x: sf.logsumexp(x)),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("block", [1, 10, 50, 1 << 22])
def test_apply_npy_in_blocks(folder, softfloor, monkeypatch, arguments, expected, order, block):
    monkeypatch.setattr(apply, "BLOCK", block)
    np.save("x.npy", np.array(INPUT, order=order))
    name, *options = arguments
    code, out, error = softfloor("apply", name, "x.npy", "y.npy", *options)
    assert (code, error) == (0, "")
    result, true = np.load("y.npy"), expected(INPUT)
    assert result.dtype == true.dtype
    assert result.shape == true.shape
    assert result.tobytes() == true.tobytes()
    assert result.flags.f_contiguous == (order == "F")
    assert str(true.shape) in out
    assert sorted(os.listdir()) == ["x.npy", "y.npy"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3)),
        np.float32(2.0),
        np.arange(7, dtype=">f4"),
        np.arange(-3, 4, dtype=np.int8),
        np.array([True, False]),
        np.arange(9, dtype=np.float16),
    ],
    ids=["empty", "0-d", "byte-swapped", "int8", "bool", "float16"],
)
def test_apply_npy_of_any_kind(folder, softfloor, array):
    np.save("x.npy", array)
    assert softfloor("apply", "silu", "x.npy", "y.npy")[0] == 0
    result, true = np.load("y.npy"), np.asarray(sf.silu(array))
    assert (result.dtype, result.shape) == (true.dtype, true.shape)
    assert result.tobytes() == true.tobytes()


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("axis", ["0", "-1"])
@pytest.mark.parametrize("name", ["softmax", "logsumexp"])
def test_apply_npy_without_entries(folder, softfloor, name, axis, shape):
    array = np.zeros(shape, np.float32)
    np.save("x.npy", array)
    assert softfloor("apply", name, "x.npy", "y.npy", "--axis", axis)[0] == 0
    result, true = np.load("y.npy"), sf.get(name)(array, int(axis))
    assert (result.dtype, result.shape) == (true.dtype, true.shape)
    assert result.tobytes() == true.tobytes()


def test_a_temporary_file_of_another_process_stays(folder):
    other = Path(f".y.npy.{os.getpid()}.part")
    other.write_bytes(b"another's")
    with pytest.raises(FileExistsError), whole_file.replacing(Path("y.npy")):
        pass
    assert other.read_bytes() == b"another's"
    assert not Path("y.npy").exists()


@pytest.mark.parametrize("stem", ["y" * 246, "\u00e4" * 125], ids=["letters", "two bytes each"])
def test_names_as_long_as_the_file_system_allows(folder, softfloor, stem):
    name = f"{stem}.npy"
    assert softfloor("apply", "gelu", "x.npy", name)[0] == 0
    assert np.array_equal(np.load(name), sf.gelu(INPUT))
    assert sorted(os.listdir()) == sorted(["x.npy", name])


def test_apply_bfloat16_is_reinterpreted_when_asked(folder, softfloor):
    x = np.linspace(-4, 4, 33).astype(ml_dtypes.bfloat16)
    np.save("x.npy", x)
    code, _, error = softfloor("apply", "gelu", "x.npy", "y.npy")
    assert code == 1
    assert "--dtype bfloat16" in error
    assert not Path("y.npy").exists()
    assert softfloor("apply", "gelu", "x.npy", "y.npy", "--dtype", "bfloat16")[0] == 0
    result = np.load("y.npy")
    assert result.dtype == np.dtype("V2")
    assert np.array_equal(result.view(ml_dtypes.bfloat16), sf.gelu(x))
    np.save("x.npy", x.astype(np.float32))
    assert softfloor("apply", "gelu", "x.npy", "y.npy", "--dtype", "bfloat16", "--force")[0] == 0
    assert np.array_equal(np.load("y.npy").view(ml_dtypes.bfloat16), sf.gelu(x))


def test_apply_never_holds_a_whole_npy(folder, softfloor, monkeypatch):
    monkeypatch.setattr(apply, "BLOCK", 1000)
    rows = 4000
    np.save("x.npy", np.random.default_rng(0).standard_normal((rows, 50)))
    largest = 0
    compute = apply.Request.compute

    def watched(self, array, axis=None):
        nonlocal largest
        largest = max(largest, array.size)
        return compute(self, array, axis)

    monkeypatch.setattr(apply.Request, "compute", watched)
    seen = []
    request = apply.Request("softmax")
    apply.apply(request, Path("x.npy"), Path("y.npy"), lambda done, total: seen.append((done, total)))
    assert largest == 1000
    assert seen == [(done, 50 * rows) for done in range(1000, 50 * rows + 1, 1000)]
    assert np.array_equal(np.load("y.npy"), sf.softmax(np.load("x.npy")))


class _Counted:
    """A file that counts what it is asked to write."""

    def __init__(self, file):
        self.file, self.writes = file, 0

    def write(self, data):
        self.writes += 1
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("block", [300, 1000, 3000])
def test_apply_writes_long_rows_side_by_side_in_whole_blocks(folder, softfloor, monkeypatch, block, dtype):
    rows = np.random.default_rng(0).standard_normal((2, 1000, 4)).astype(apply.DTYPES[dtype])
    np.save("x.npy", rows)
    monkeypatch.setattr(apply, "BLOCK", block)
    compute, largest, opened = apply.Request.compute, [], []

    def watched(self, array, axis=None):
        largest.append(array.size)
        return compute(self, array, axis)

    @contextmanager
    def counting(path):
        with whole_file.replacing(path) as file:
            opened.append(_Counted(file))
            yield opened[-1]

    monkeypatch.setattr(apply.Request, "compute", watched)
    monkeypatch.setattr(apply, "replacing", counting)
    assert softfloor("apply", "softmax", "x.npy", "y.npy", "--axis", "1", "--dtype", dtype)[0] == 0
    assert np.array_equal(np.load("y.npy").view(rows.dtype), sf.softmax(rows, axis=1))
    assert max(largest) == max(1000, block // 1000 * 1000)
    assert opened[0].writes <= 1 + 2 * -(-4000 // block) + 2
    assert sorted(os.listdir()) == ["x.npy", "y.npy"]


def test_apply_needs_little_memory_for_a_large_npy(folder):
    pytest.importorskip("resource")
    size = 1 << 28
    header = {"descr": "<f4", "fortran_order": False, "shape": (size // 4,)}
    with open("x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + size)  # a hole: costs no disk

    # The address space holds the map of the file; data are what must stay small.
    limit = f"resource.setrlimit(resource.RLIMIT_DATA, ({size * 3 // 4}, resource.RLIM_INFINITY))"
    code = f"import resource, sys; {limit}; from softfloor.commands import run; sys.exit(run(sys.argv[1:]))"
    # The stacks of threads count as data too.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, "apply", "relu", "x.npy", "y.npy"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.path.getsize("y.npy") == os.path.getsize("x.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_apply_npz(folder, softfloor, save):
    save("x.npz", a=INPUT, b=np.arange(4, dtype=np.float32).reshape(2, 2))
    assert softfloor("apply", "softmax", "x.npz", "y.npz", "--axis", "0")[:2] == (0, "y.npz: 2 arrays\n")
    with np.load("x.npz") as x, np.load("y.npz") as y:
        assert list(y) == ["a", "b"]
        for name in y:
            assert y[name].dtype == x[name].dtype
            assert np.array_equal(y[name], sf.softmax(x[name], axis=0))
    with zipfile.ZipFile("x.npz") as x, zipfile.ZipFile("y.npz") as y:
        assert {m.compress_type for m in x.infolist()} == {m.compress_type for m in y.infolist()}


def test_apply_csv_keeps_every_bit(folder, softfloor):
    table = INPUT[0]
    np.savetxt("x.csv", table, delimiter=",", fmt="%.17g", header="a,b")
    assert softfloor("apply", "gelu", "x.csv", "y.csv")[0] == 0
    assert np.array_equal(np.loadtxt("y.csv", delimiter=","), sf.gelu(table))
    assert softfloor("apply", "logsumexp", "x.csv", "z.csv", "--axis", "1")[0] == 0
    assert np.array_equal(np.loadtxt("z.csv", delimiter=","), sf.logsumexp(table))
    assert softfloor("apply", "tanh", "x.csv", "w.csv", "--dtype", "float32")[0] == 0
    assert np.array_equal(np.loadtxt("w.csv", delimiter=",", dtype=np.float32), sf.tanh(table.astype(np.float32)))


def test_force_replaces_and_may_work_in_place(folder, softfloor):
    assert softfloor("apply", "gelu", "x.npy", "x.npy", "--force")[0] == 0
    assert np.array_equal(np.load("x.npy"), sf.gelu(INPUT))


def test_output_through_a_link_keeps_the_link(folder, softfloor):
    Path("real.npy").write_bytes(b"old")
    os.symlink("real.npy", "link.npy")
    assert softfloor("apply", "gelu", "x.npy", "link.npy", "--force")[0] == 0
    assert os.path.islink("link.npy")
    assert np.array_equal(np.load("real.npy"), sf.gelu(INPUT))
