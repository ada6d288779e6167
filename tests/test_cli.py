"""The command line: what it writes, what it refuses, and that a refusal leaves nothing behind."""

import errno
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from softfloor import apply, commands, whole_file

INPUT = np.linspace(-6, 6, 210).reshape(5, 6, 7)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    np.save("x.npy", INPUT)
    return tmp_path


@pytest.fixture
def softfloor(capsys):
    """Run a command; gives exit code, standard output and standard error."""

    def run(*arguments):
        code = commands.run([str(argument) for argument in arguments])
        out, error = capsys.readouterr()
        return code, out, error

    return run


def _one_sentence(error):
    assert error.startswith("softfloor: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error


# --- what it does ---------------------------------------------------------------------------------------------------


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


def test_apply_needs_little_memory_for_a_large_npy(folder):
    resource = pytest.importorskip("resource")
    size = 1 << 28
    header = {"descr": "<f4", "fortran_order": False, "shape": (size // 4,)}
    with open("x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + size)  # a hole: costs no disk

    # The address space holds the map of the file; data are what must stay small.
    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (size // 2 + (200 << 20), resource.RLIM_INFINITY))

    code = "import sys; from softfloor.commands import run; sys.exit(run(sys.argv[1:]))"
    # The stacks of threads count as data too.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, "apply", "relu", "x.npy", "y.npy"]
    done = subprocess.run(command, env=environment, preexec_fn=limit, capture_output=True, text=True)
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


@pytest.mark.parametrize("name", ["f.png", "f.svg", "f.pdf", "f.PNG"])
def test_plot(folder, softfloor, name):
    assert softfloor("plot", "relu", "gelu", "silu", "--derivative", "--landmarks", "-o", name) == (0, f"{name}\n", "")
    assert os.path.getsize(name) > 3000


@pytest.mark.parametrize("name", sf.functions())
def test_info(folder, softfloor, name):
    code, out, error = softfloor("info", name)
    assert (code, error) == (0, "")
    assert f"softfloor.{name}" in out


def test_info_shows_all_facts(folder, softfloor):
    out = softfloor("info", "gelu")[1]
    for text in ("-0.16997120747990", "-0.75179152469356", "1.12890414518515", "Hendrycks", "erfc"):
        assert text in out


def test_list_version_and_help(folder, softfloor):
    out = softfloor("list")[1]
    assert all(name in out for name in sf.functions())
    assert softfloor("--version") == (0, f"softfloor {sf.__version__}\n", "")
    code, out, _ = softfloor()
    assert code == 0
    assert all(command in out for command in ("tour", "apply", "plot", "info", "list"))
    code, out, _ = softfloor("apply", "--help")
    assert code == 0
    assert "softfloor apply softmax logits.npz p.npz --axis 1" in out
    assert "bfloat16" in out


def test_tour_writes_its_report_and_replaces_it(folder, softfloor, monkeypatch):
    from softfloor import tour

    runs = {}
    real = tour.run

    def quick_and_once(seed, quick, progress):
        if seed not in runs:
            runs[seed] = real(seed, True, progress)
        return runs[seed]

    monkeypatch.setattr(tour, "run", quick_and_once)
    code, out, error = softfloor("tour", "--out", "a/b", "--seed", "3")
    assert (code, error, list(runs)) == (0, "", [3])
    assert "Verdicts" in out
    page = Path("a/b/tour.html").read_text()
    assert "seed 3" in page
    Path("a/b/tour.html").write_text("old")
    assert softfloor("tour", "--out", "a/b", "--seed", "3")[0] == 0
    assert Path("a/b/tour.html").read_text() != "old"
    assert os.listdir("a/b") == ["tour.html"]


# --- what it refuses: bad usage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["apply", "gelo", "x.npy", "y.npy"], "did you mean gelu"),
        (["apply", "swiglu", "x.npy", "y.npy"], "gate and up"),
        (["apply", "softmax_cross_entropy", "x.npy", "y.npy"], "labels"),
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
def test_bad_usage_exits_2_and_writes_nothing(folder, softfloor, arguments, says):
    os.mkdir("dir.npy")
    before = Path("x.npy").read_bytes()
    code, out, error = softfloor(*arguments)
    assert (code, out) == (2, "")
    assert says in error
    _one_sentence(error)
    assert sorted(os.listdir()) == ["dir.npy", "x.npy"]
    assert Path("x.npy").read_bytes() == before


# --- what it refuses: bad data --------------------------------------------------------------------------------------


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
def test_bad_data_exits_1_and_writes_nothing(folder, softfloor, make, name):
    make()
    before = {entry: Path(entry).read_bytes() for entry in os.listdir()}
    code, out, error = softfloor("apply", "gelu", name, f"y{name[1:]}")
    assert (code, out) == (1, "")
    assert name in error
    _one_sentence(error)
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
def test_full_disk_exits_1_and_leaves_nothing(folder, softfloor, monkeypatch, command, room):
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
    _one_sentence(error)
    assert sorted(os.listdir()) == ["x.csv", "x.npy"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir() or os.geteuid() != 0, reason="needs root to make a tiny file system")
def test_really_full_disk(folder, softfloor):
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
            _one_sentence(error)
            assert set(os.listdir("tiny")) <= {"filler"}
    finally:
        subprocess.run(["umount", "tiny"], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_leaves_nothing(folder, number):
    code = (
        "import sys, time\n"
        "from softfloor import apply, commands\n"
        "apply.BLOCK = 1\n"
        "compute = apply.Request.compute\n"
        "def slow(*arguments):\n"
        "    time.sleep(0.05)\n"
        "    return compute(*arguments)\n"
        "apply.Request.compute = slow\n"
        "sys.exit(commands.run(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "apply", "gelu", "x.npy", "y.npy"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not list(folder.glob(".y.npy.*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(folder.glob(".y.npy.*"))
    process.send_signal(number)
    error = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    _one_sentence(error)
    assert sorted(os.listdir()) == ["x.npy"]


def test_out_of_memory_is_a_sentence(folder, softfloor, monkeypatch):
    def none_left(*arguments):
        raise MemoryError

    monkeypatch.setattr(apply.Request, "compute", none_left)
    code, _, error = softfloor("apply", "gelu", "x.npy", "y.npy")
    assert code == 1
    _one_sentence(error)
    assert os.listdir() == ["x.npy"]


# --- without the extra ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "arguments", "code"),
    [
        ("typer", [], 1),
        ("rich", ["list"], 1),
        ("matplotlib", ["plot", "gelu", "-o", "y.png"], 1),
        ("sklearn", ["tour"], 1),
        ("sympy", ["tour", "--quick"], 1),
        ("matplotlib", ["list"], 0),
        ("sklearn", ["apply", "gelu", "x.npy", "y.npy"], 0),
    ],
)
def test_missing_extra_is_named_in_one_line(folder, missing, arguments, code):
    hide = f"import sys; sys.modules[{missing!r}] = None; sys.argv[0] = 'softfloor'; from softfloor.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", hide, *arguments], capture_output=True, text=True)
    assert done.returncode == code
    if code:
        _one_sentence(done.stderr)
        assert "pip install 'softfloor[tour]'" in done.stderr
        assert os.listdir() == ["x.npy"]
