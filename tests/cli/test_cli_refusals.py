"""What the command line refuses: one sentence, the right exit code, and nothing left behind."""

import errno
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from softfloor import apply, whole_file

INPUT = np.linspace(-6, 6, 210).reshape(5, 6, 7)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["apply", "gelo", "x.npy", "y.npy"], "did you mean gelu"),
        (["apply", "swiglu", "x.npy", "y.npy"], "gate and up"),
        (["apply", "softmax_cross_entropy", "x.npy", "y.npy"], "labels"),
        (["apply", "sigmoid_cross_entropy", "x.npy", "y.npy"], "labels"),
        (["apply", "nll", "x.npy", "y.npy"], "labels"),
        (["apply", "linear_cross_entropy", "x.npy", "y.npy"], "labels"),
        (
            ["apply", "hardmax", "x.npy", "y.npy", "-d"],
            "has no derivative per entry\n",
        ),
        (["apply", "gumbel_softmax", "x.npy", "y.npy"], "random numbers"),
        (["apply", "hardmax", "x.npy", "y.npy", "--param", "temperature=2"], "its parameters: none"),
        (["apply", "softmax", "x.npy", "y.npy", "--derivative"], "jacobian"),
        (["apply", "gelu", "x.npy", "y.npy", "--axis", "0"], "no axis"),
        (["apply", "softmax", "x.npy", "y.npy", "--axis", "3"], "out of range"),
        (["apply", "gelu", "x.npy", "y.npy", "--param", "beta=1"], "its parameters: none"),
        (["apply", "silu", "x.npy", "y.npy", "--param", "theda=1"], "its parameters: beta"),
        (["apply", "silu", "x.npy", "y.npy", "--param", "beta"], "NAME=NUMBER"),
        (["apply", "silu", "x.npy", "y.npy", "--param", "beta=big"], "NAME=NUMBER"),
        (["apply", "softmax", "x.npy", "y.npy", "--param", "temperature=0"], "positive"),
        (["apply", "gelu", "x.npy", "y.npy", "--dtype", "complex64"], "choose from float16, bfloat16"),
        (["apply", "gelu", "none.npy", "y.npy"], "no file none.npy"),
        (["apply", "gelu", "x.txt", "y.npy"], "none of the extensions"),
        (["apply", "gelu", "x.npy", "y.txt"], "none of the extensions"),
        (["apply", "gelu", "x.npy", "y.csv"], "same extension"),
        (["apply", "gelu", "x.npy", "x.npy"], "--force"),
        (["apply", "gelu", "x.npy", "nowhere/y.npy"], "no folder nowhere"),
        (["apply", "gelu", "x.npy", "dir.npy", "--force"], "is a folder"),
        (["apply", "gelu", "x.npy"], "OUT"),
        (["apply", "gelu", "x.npy", "y.npy", "--bogus"], "--bogus"),
        (["plot", "gelo", "-o", "y.png"], "did you mean gelu"),
        (["plot", "softmax", "-o", "y.png"], "not a function of one number"),
        (["plot", "gelu", "-o", "y.gif"], "none of the extensions"),
        (["plot", "gelu", "-p", "beta=1", "-o", "y.png"], "no parameter 'beta'"),
        (["plot", "gelu"], "--out"),
        (["plot", "-o", "y.png"], "NAME"),
        (["info", "Silu"], "did you mean silu"),
        (["info"], "NAME"),
        (["tour", "--out", "x.npy"], "is a file"),
        (["tour", "--seed", "-1"], "--seed"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_bad_usage_exits_2_and_writes_nothing(folder, softfloor, arguments, says, one_sentence):
    os.mkdir("dir.npy")
    before = Path("x.npy").read_bytes()
    code, out, error = softfloor(*arguments)
    assert (code, out) == (2, "")
    assert says in error
    one_sentence(error)
    assert sorted(os.listdir()) == ["dir.npy", "x.npy"]
    assert Path("x.npy").read_bytes() == before


def _npy(array):
    np.save("x.npy", array, allow_pickle=True)


def _bytes(name, content):
    Path(name).write_bytes(content)


def _truncated_npz():
    np.savez("x.npz", a=INPUT)
    _bytes("x.npz", Path("x.npz").read_bytes()[:-40])


def _damaged_npz():
    np.savez("x.npz", a=INPUT)
    content = bytearray(Path("x.npz").read_bytes())
    content[600] ^= 0xFF
    _bytes("x.npz", content)


def _foreign_npz():
    with zipfile.ZipFile("x.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")


def _huge_header():
    with open("x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 60,)})


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: _bytes("x.npy", b""), "x.npy"),
        (lambda: _bytes("x.npy", b"not an array at all"), "x.npy"),
        (lambda: _bytes("x.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': [,,    "), "x.npy"),
        (lambda: _bytes("x.npy", Path("x.npy").read_bytes()[:-1]), "x.npy"),
        (_huge_header, "x.npy"),
        (lambda: _npy(np.zeros(3, complex)), "x.npy"),
        (lambda: _npy(np.array([None, 1])), "x.npy"),
        (lambda: _npy(np.array(["a", "b"])), "x.npy"),
        (lambda: _npy(np.zeros(3, [("a", "f4")])), "x.npy"),
        (lambda: _npy(np.zeros(3, "M8[s]")), "x.npy"),
        (lambda: _npy(np.zeros(3, np.longdouble)), "x.npy"),
        (lambda: _bytes("x.npz", b"PK but not a zip"), "x.npz"),
        (_truncated_npz, "x.npz"),
        (_damaged_npz, "x.npz"),
        (_foreign_npz, "x.npz"),
        (lambda: np.savez("x.npz", a=INPUT, b=np.zeros(2, complex)), "x.npz"),
        (lambda: np.savez("x.npz", a=INPUT, b=np.array([None], object)), "x.npz"),
        (lambda: _bytes("x.csv", b"1,2\n3,x\n"), "x.csv"),
        (lambda: _bytes("x.csv", b"1,2\n3\n"), "x.csv"),
        (lambda: _bytes("x.csv", b"1,2+3j\n"), "x.csv"),
        (lambda: _bytes("x.csv", b"\n\n"), "x.csv"),
        (lambda: _bytes("x.csv", b"# only a comment\n"), "x.csv"),
        (lambda: _bytes("x.csv", b"\xff\xfe\x00\x01"), "x.csv"),
    ],
    ids=[
        "empty", "no magic", "broken header", "truncated", "header announces too much", "complex", "object", "string",
        "structured", "datetime", "longdouble", "no zip", "truncated zip", "wrong checksum", "no array", "npz complex",
        "npz object", "word in csv", "ragged csv", "complex csv", "blank csv", "comment csv", "binary csv",
    ],
)  # fmt: skip
def test_bad_data_exits_1_and_writes_nothing(folder, softfloor, make, name, one_sentence):
    make()
    before = {entry: Path(entry).read_bytes() for entry in os.listdir()}
    code, out, error = softfloor("apply", "gelu", name, f"y{name[1:]}")
    assert (code, out) == (1, "")
    assert name in error
    one_sentence(error)
    assert {entry: Path(entry).read_bytes() for entry in os.listdir()} == before


class _FullDisk:
    """A file that takes some writes, and then has no room."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 3])
@pytest.mark.parametrize("command", [["apply", "gelu", "x.npy", "y.npy"], ["apply", "gelu", "x.csv", "y.csv"]])
def test_full_disk_exits_1_and_leaves_nothing(folder, softfloor, monkeypatch, command, room, one_sentence):
    np.savetxt("x.csv", INPUT[0], delimiter=",")
    monkeypatch.setattr(apply, "BLOCK", 10)
    real = whole_file.replacing

    def full(path):
        context = real(path)

        class Full:
            def __enter__(self):
                return _FullDisk(context.__enter__(), room)

            def __exit__(self, *error):
                return context.__exit__(*error)

        return Full()

    monkeypatch.setattr(apply, "replacing", full)
    code, out, error = softfloor(*command)
    assert (code, out) == (1, "")
    assert os.strerror(errno.ENOSPC) in error
    one_sentence(error)
    assert sorted(os.listdir()) == ["x.csv", "x.npy"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir() or os.geteuid() != 0, reason="needs root to make a tiny file system")
def test_really_full_disk(folder, softfloor, one_sentence):
    os.mkdir("tiny")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "tiny"], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        np.save("large.npy", np.zeros(100_000))
        for target, command in (("y.npy", ["apply", "gelu", "large.npy"]), ("f.png", ["plot", "gelu", "silu", "-o"])):
            if target == "f.png":
                Path("tiny/filler").write_bytes(bytes(60_000))
            code, _, error = softfloor(*command, f"tiny/{target}")
            assert code == 1
            assert os.strerror(errno.ENOSPC) in error
            one_sentence(error)
            assert set(os.listdir("tiny")) <= {"filler"}
    finally:
        subprocess.run(["umount", "tiny"], check=True)


def _started(folder, disposition):
    """``softfloor apply`` in a process of its own, slowed down, once its temporary file is there."""
    # A shell starts what it puts in the background with SIGINT ignored, nohup with SIGHUP, and children inherit that.
    code = (
        "import signal, sys, time\n"
        "from softfloor import apply, commands\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"signal.signal(signal.SIGHUP, signal.{disposition})\n"
        "apply.BLOCK = 10\n"
        "compute = apply.Request.compute\n"
        "def slow(*arguments):\n"
        "    time.sleep(0.1)\n"
        "    return compute(*arguments)\n"
        "apply.Request.compute = slow\n"
        "sys.exit(commands.run(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "apply", "gelu", "x.npy", "y.npy"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not list(folder.glob(".y.npy.*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(folder.glob(".y.npy.*"))
    return process


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_interrupted_leaves_nothing(folder, name, one_sentence):
    process = _started(folder, "SIG_DFL")
    process.send_signal(getattr(signal, name))
    error = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    one_sentence(error)
    assert sorted(os.listdir()) == ["x.npy"]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
def test_under_nohup_a_closed_terminal_does_not_interrupt(folder):
    process = _started(folder, "SIG_IGN")
    process.send_signal(signal.SIGHUP)
    error = process.communicate(timeout=20)[1]
    assert (process.returncode, error) == (0, "")
    assert sorted(os.listdir()) == ["x.npy", "y.npy"]


def test_out_of_memory_is_a_sentence(folder, softfloor, monkeypatch, one_sentence):
    def none_left(*arguments):
        raise MemoryError

    monkeypatch.setattr(apply.Request, "compute", none_left)
    code, _, error = softfloor("apply", "gelu", "x.npy", "y.npy")
    assert code == 1
    one_sentence(error)
    assert os.listdir() == ["x.npy"]
