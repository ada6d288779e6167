"""The compiled objects, and what importing the package brings with it."""

import json
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from softfloor import _core, catalogue
from softfloor.catalogue.record import Activation, struct_name

EXTENSION = Path(_core.__file__)
# In a build folder: that of an editable install, or build/NAME made by meson; an installed package has none.
BUILDS = [EXTENSION.parent, *(Path(__file__).resolve().parents[1] / "build").glob("*")]
LIBRARIES = sorted({path.resolve() for build in BUILDS for path in build.glob("libkernels_*.a")})
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads ELF files")


def tool(name, *arguments):
    if not shutil.which(name):
        pytest.skip(f"{name} (binutils) is not installed")
    return subprocess.run([name, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def symbols(path, *options):
    """(name, letter) of each symbol that nm lists."""
    lines = tool("nm", "--format=posix", *options, path).splitlines()
    return [tuple(line.split()[:2]) for line in lines if len(line.split()) >= 2 and not line.endswith(":")]


@linux_only
def test_the_extension_exports_its_entry_point_only():
    assert [name for name, _ in symbols(EXTENSION, "--dynamic", "--defined-only")] == ["PyInit__core"]


@linux_only
@pytest.mark.skipif(not LIBRARIES, reason="the per-instruction-set libraries stay in the build folder")
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_libraries_share_nothing(library):
    """A weak symbol compiled for AVX-512 might be the copy that the linker keeps for all, and crash an older CPU."""
    instruction_set = library.stem.removeprefix("libkernels_")
    found = symbols(library)
    shared = [(name, letter) for name, letter in found if letter in "VvWwu"]
    assert not shared
    exported = [name for name, letter in found if letter.isupper() and letter != "U"]
    assert len(exported) == 1
    assert f"kernels_{instruction_set}" in exported[0]
    needed = {name for name, letter in found if letter == "U"}
    # The C library's fma is exact, like the instructions; the baseline x86-64 has none.
    allowed = {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
    allowed |= {"fma", "fmaf"} if instruction_set == "x86_64" else set()
    assert needed <= allowed


@cache
def disassembly():
    """(function, kernel) -> the bodies that it has, one per instruction set."""
    bodies: dict[tuple[str, str], list[str]] = {}
    name = None
    for line in tool("objdump", "--disassemble", "--demangle", "--no-show-raw-insn", EXTENSION).splitlines():
        header = re.fullmatch(r"[0-9a-f]+ <(.*)>:", line)
        if header:
            loops = "run|run_wide|compute_covered"
            pattern = rf"[a-z ]+ softfloor::.*?::({loops})<(.*?)(?:, (\d)ul)?>\(void const\* const\*"
            match = re.match(pattern, header[1])
            kernel = match and match[2].replace("softfloor::", "").replace("(anonymous namespace)::", "")
            name = match and ("four side by side" if match[3] == "4" else match[1], kernel)
            if name:
                bodies.setdefault(name, []).append("")
        elif name:
            bodies[name][-1] += line + "\n"
    return bodies


def kernels():
    for record in catalogue.RECORDS.values():
        if isinstance(record, Activation):
            inner = f"{struct_name(record.name)}, {len(record.parameters)}"
            for variant in ("Value", "Derivative", "ValueAndDerivative", "Vjp"):
                for dtype in ("float", "double"):
                    yield pytest.param(
                        f"{variant}<{inner}>, {dtype}", record.exact, id=f"{record.name}-{variant}-{dtype}"
                    )


#: With a second text for operands in the caches, for 32 registers of 512 bits alone.
FOUR_SIDE_BY_SIDE = [f"{variant}<{op}, 0>, float" for variant in ("Value", "Derivative") for op in ("Gelu", "GeluTanh")]


def arithmetic(body, register, exact):
    """Whether a loop computes in registers of that width; an exact function selects instead of calculating."""
    operations = r"v(?:f?n?m(?:add|sub)\d*|add|sub|mul|div)p[sd]" + (
        r"|v(?:max|min|and|andn|cmp\w*|blend\w*|p?mov\w*)p?[sdbwq]?" if exact else ""
    )
    return re.search(rf"\s(?:{operations})\s[^\n]*%{register}\d", body) is not None


@linux_only
@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 instructions")
@pytest.mark.parametrize(("kernel", "exact"), list(kernels()))
def test_loops_are_vectorised(kernel, exact):
    """Each kernel has one body of 512-bit arithmetic (v4), one of 256-bit (v3) and one for any x86-64.

    Those with compensated arithmetic have two such loops: that one, and the wide text for what it does not cover.
    """
    bodies = disassembly()
    if not bodies:
        pytest.skip("the extension is stripped or not for x86-64")
    loops = [f for f in ("compute_covered", "run_wide") if (f, kernel) in bodies] or ["run"]
    for function in loops:
        found = bodies[function, kernel]
        widths = ["zmm" if "%zmm" in body else "ymm" if "%ymm" in body else "xmm" for body in found]
        assert sorted(widths) == ["xmm", "ymm", "zmm"], function
        for body, width in zip(found, widths, strict=True):
            if width != "xmm":
                assert arithmetic(body, width, exact), f"no {width} arithmetic in {function} of {kernel}"
    for body in (four := bodies.get(("four side by side", kernel), [])):
        assert arithmetic(body, "zmm", exact)
    assert len(four) == (kernel in FOUR_SIDE_BY_SIDE)


@linux_only
def test_no_loop_calls_its_body():
    """A loop that calls its body for each entry is not vectorised: a tenth of the speed, and nothing else shows it."""
    names = tool("nm", "--demangle", "--defined-only", EXTENSION).splitlines()
    if not any("softfloor::" in name for name in names):
        pytest.skip("the extension is stripped")
    bodies = [
        name for name in names if re.search(r"\{lambda\(unsigned long\)#\d+\}::operator\(\)\(unsigned long\)", name)
    ]
    assert not bodies


def import_and_list_modules(statement):
    script = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {module.partition(".")[0] for module in json.loads(done.stdout)}


def test_import_brings_no_optional_package():
    loaded = import_and_list_modules("import softfloor")
    optional = {"matplotlib", "rich", "typer", "click", "sympy", "scipy", "mpmath", "gmpy2", "torch", "jax", "sklearn"}
    optional |= {"pandas", "xarray", "dask"}
    assert not loaded & optional
    assert {"numpy", "ml_dtypes", "softfloor"} <= loaded


def test_calls_bring_no_optional_package():
    statement = (
        "import softfloor as sf; repr(sf.gelu); sf.gelu(1.0); sf.softmax([1.0]); sf.softmax_cross_entropy([1.0], 0)"
    )
    assert not import_and_list_modules(statement) & {
        "matplotlib",
        "rich",
        "typer",
        "sympy",
        "scipy",
        "mpmath",
        "torch",
        "jax",
    }


def test_typed():
    assert (Path(catalogue.__file__).parents[1] / "py.typed").exists()
