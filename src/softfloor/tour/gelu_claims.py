"""The claims about what gelu and silu are: rows 11 to 15. The notes' two listings are run as they stand there."""

from __future__ import annotations

from typing import Any

import numpy as np

import softfloor as sf

from .exact import first_float32, numbers, relative, slope, value, worst_ulps
from .results import Evidence, Finding

GELU_LISTING = """\
import math

def gelu(x):
    return [0.5 * z * (1 + math.tanh(math.sqrt(2 / np.pi) * (z + 0.044715 * math.pow(z, 3)))) for z in x]
"""

SILU_LISTING = """\
import numpy as np

def sigmoid(x_elem):
  return 1/(1 + np.exp(-x_elem))
def silu(x, theda = 1.0):
    return [x_elem * sigmoid(theda *x_elem) for x_elem in x]
"""

_POINTS = (-9.0, -5.5, -2.0, -0.75, 0.25, 1.0, 3.0)


def _run(listing: str, **names: Any) -> dict[str, Any]:
    namespace = dict(names)
    exec(listing, namespace)  # the text is the constant above
    return namespace


def row_11(evidence: Evidence) -> Finding:
    mp = numbers()

    def erf(z: Any) -> Any:
        return 2 / mp.sqrt(mp.pi) * mp.quad(lambda t: mp.exp(-(t**2)), [0, z])

    # 1 + erf loses about 20 of the 60 digits at -9.
    apart = max(relative(mp.mpf(x) / 2 * (1 + erf(mp.mpf(x) / mp.sqrt(2))), value("gelu", x)) for x in _POINTS)
    far = -9.0
    naive = far / 2 * (1 + float(mp.erf(far / np.sqrt(2))))
    true = value("gelu", far)
    return Finding(
        as_written=apart < 1e-30 and worst_ulps(sf.gelu(np.array(_POINTS)), [value("gelu", x) for x in _POINTS]) < 1.5,
        numbers={
            "the integral form differs from the catalogue's by (relative)": apart,
            "worst error of sf.gelu here (ulp)": worst_ulps(
                sf.gelu(np.array(_POINTS)), [value("gelu", x) for x in _POINTS]
            ),
            "gelu(-9), sf": float(sf.gelu(far)),
            "gelu(-9), 1 + erf in float64": naive,
            "relative error at -9, sf": relative(float(sf.gelu(far)), true),
            "relative error at -9, 1 + erf": relative(naive, true),
        },
        remark="Computed through erfc: in 1 + erf the digits cancel for negative x.",
    )


def row_12(evidence: Evidence) -> Finding:
    mp = numbers()
    try:
        _run(GELU_LISTING)["gelu"]([1.0])
        runs = True
    except NameError:
        runs = False
    listing = _run(GELU_LISTING, np=np)["gelu"]
    x = np.linspace(-6, 6, 4801)
    listed = np.array(listing(x))
    from_tanh, from_formula = float(np.abs(listed - sf.gelu_tanh(x)).max()), float(np.abs(listed - sf.gelu(x)).max())
    where = mp.findroot(
        lambda t: slope("gelu_tanh", t) - slope("gelu", t), x[np.argmax(np.abs(sf.gelu_tanh(x) - sf.gelu(x)))]
    )
    return Finding(
        as_written=runs and from_formula < 1e-12 and "cdf" in GELU_LISTING,
        corrected=from_tanh < 1e-14 and from_formula > 1e-4,
        numbers={
            "listing runs as printed (1 yes, 0 no)": runs,
            "'cdf' occurrences in it": GELU_LISTING.count("cdf"),
            "listing differs from gelu_tanh by": from_tanh,
            "listing differs from gelu by": from_formula,
            "largest difference of gelu_tanh and gelu": float(abs(value("gelu_tanh", where) - value("gelu", where))),
            "at x = -+": float(abs(where)),
        },
        notes_version="the listing implements GELU(x) = x/2 (1 + erf(x / sqrt 2)) with a cdf",
        right_version="it is the tanh approximation, which softfloor calls gelu_tanh; it has no cdf, and it lacks "
        "import numpy as np",
    )


def row_13(evidence: Evidence) -> Finding:
    x = np.linspace(-6, 6, 241)
    up = np.linspace(2, -3, 241)
    betas = (0.5, 1.0, 1.5)
    formula = {beta: x / (1 + np.exp(-beta * x)) for beta in betas}
    apart = max(float(np.abs(sf.silu(x, beta=beta) - formula[beta]).max()) for beta in betas)
    gated = sf.swiglu(x, up)
    return Finding(
        as_written=bool(np.allclose(gated, formula[1.0])) or bool(np.allclose(sf.gelu(x), formula[1.0], atol=1e-6)),
        corrected=apart < 1e-14 and float(np.abs(gated - sf.silu(x) * up).max()) < 1e-14,
        numbers={
            "formula differs from sf.silu by, beta 0.5, 1, 1.5": apart,
            "formula differs from sf.gelu by up to": float(np.abs(formula[1.0] - sf.gelu(x)).max()),
            "formula differs from sf.swiglu by up to": float(np.abs(formula[1.0] - gated).max()),
            "swiglu differs from silu(gate) * up by": float(np.abs(gated - sf.silu(x) * up).max()),
            "operands of silu": len(sf.silu.operands),
            "operands of swiglu": len(sf.swiglu.operands),
            **{f"gate 10, up 3 as {name} has it": float(unit(10.0, 3.0)) for name, unit in sf.gated_presets.items()},
        },
        notes_version='x sigmoid(beta x) is called "SwiGLU (Swish GeLU)"',
        right_version="x sigmoid(beta x) is SiLU, or Swish; SwiGLU is the gated unit silu(gate) * up",
    )


def row_14(evidence: Evidence) -> Finding:
    listing = _run(SILU_LISTING)["silu"]
    x = np.linspace(-20, 20, 401)
    apart = float(np.abs(np.array(listing(list(x), theda=1.5)) - sf.silu(x, beta=1.5)).max())

    def overflows(number: Any) -> bool:
        with np.errstate(over="raise"):
            try:
                listing([number])
            except FloatingPointError:
                return True
        return False

    edge32 = -first_float32(lambda v: overflows(-v), 50, 200)
    low, high = 500.0, 1000.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if overflows(np.float64(-middle)) else (middle, high)
    wide = np.array([-1e38, -1000, -100, edge32, 0, 100, 1e38], np.float32)
    with np.errstate(all="raise"):
        quiet = bool(np.isfinite(sf.silu(wide)).all())
    with np.errstate(over="ignore"):
        listed = float(listing([np.float32(-89)])[0])
    return Finding(
        as_written=apart < 1e-14 and not overflows(np.float32(-1000)),
        corrected=apart < 1e-14 and quiet,
        numbers={
            "listing differs from sf.silu on [-20, 20] by": apart,
            "float32: exp overflows at x =": edge32,
            "float64: exp overflows at x =": -high,
            "silu(-89), float32, listing": listed,
            "silu(-89), float32, sf": float(sf.silu(np.float32(-89))),
        },
        notes_version="the listing computes silu, its parameter spelled theda, element by element in a list",
        right_version="it does where exp(-x) stays finite; below, it warns of overflow and returns -0. "
        "sf.silu(x, beta=...) does neither",
    )


def row_15(evidence: Evidence) -> Finding:
    mp = numbers()
    below = (-20.0, -5.0, -1.5, -0.5)
    nonzero = all(value(name, x) != 0 and float(sf.get(name)(x)) != 0 for name in ("gelu", "silu") for x in below)

    def gelu_slope(x: Any) -> Any:
        return mp.ncdf(x) + x * mp.npdf(x)

    def silu_slope(x: Any, beta: Any = 1) -> Any:
        s = 1 / (1 + mp.exp(-beta * x))
        return s * (1 + beta * x * (1 - s))

    apart = max(
        relative(formula(mp.mpf(x)), mp.diff(lambda t, name=name: value(name, t), x))
        for name, formula in (("gelu", gelu_slope), ("silu", silu_slope))
        for x in below
    )
    nearest = mp.mpf("1e-40")
    jump = max(float(abs(slope(name, nearest) - slope(name, -nearest))) for name in ("gelu", "silu"))
    computed = max(
        worst_ulps(sf.get(name).derivative(np.array(below)), [slope(name, x) for x in below])
        for name in ("gelu", "silu")
    )
    return Finding(
        as_written=nonzero and jump < 1e-35 and apart < 1e-18,
        numbers={
            "gelu(-1.5)": float(sf.gelu(-1.5)),
            "silu(-1.5)": float(sf.silu(-1.5)),
            "gelu'(-1.5)": float(sf.gelu.derivative(-1.5)),
            "silu'(-1.5)": float(sf.silu.derivative(-1.5)),
            "formulas differ from differences of the values by (relative)": apart,
            "jump of the derivatives across 0": jump,
            "worst error of both derivatives here (ulp)": computed,
        },
        notes_version="the brackets after 'derivatives' are empty",
        right_version="gelu'(x) = Phi(x) + x phi(x); silu'(x) = s (1 + beta x (1 - s)) with s = sigmoid(beta x)",
    )
