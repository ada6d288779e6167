"""sigmoid, tanh and silu: functions of e^-|x|."""

from .record import Activation, Curve, Facts, Interval, Parameter, Point

sigmoid = Activation(
    name="sigmoid",
    title="Logistic sigmoid",
    summary="1 / (1 + e^-x): maps the real line onto (0, 1).",
    formula=lambda xp, x: 1 / (1 + xp.exp(-x)),
    slope=lambda xp, x: xp.sigmoid(x) * xp.sigmoid(-x),
    saved_for_backward="x",
    facts=Facts(
        value=Curve(range=Interval("0", "1"), limits=("0", "1")),
        derivative=Curve(range=Interval("0", "0.25", "high"), limits=("0", "0"), maximum=Point("0", "0.25")),
        rising=(Interval("-inf", "inf"),),
        lipschitz="0.25",
        symmetry="complement",
    ),
    references=(
        "P.-F. Verhulst, Recherches mathematiques sur la loi d'accroissement de la population, 1845.",
        "S. Hochreiter, J. Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997 (as a gate).",
    ),
    notes="float32 reaches exactly 1 from about x = 17 and exactly 0 below about x = -104; the reals never do.",
)

tanh = Activation(
    name="tanh",
    title="Hyperbolic tangent",
    summary="(e^x - e^-x) / (e^x + e^-x): maps the real line onto (-1, 1), odd.",
    formula=lambda xp, x: xp.tanh(x),
    slope=lambda xp, x: 1 / xp.cosh(x) ** 2,
    saved_for_backward="x",
    facts=Facts(
        value=Curve(range=Interval("-1", "1"), limits=("-1", "1"), zeros=("0",)),
        derivative=Curve(range=Interval("0", "1", "high"), limits=("0", "0"), maximum=Point("0", "1")),
        rising=(Interval("-inf", "inf"),),
        lipschitz="1",
        symmetry="odd",
    ),
    references=("Y. LeCun, L. Bottou, G. B. Orr, K.-R. Mueller, Efficient BackProp, 1998.",),
)

_SILU_MINIMUM = "-1.2784645427610737951093587390229801554394774886197"

silu = Activation(
    name="silu",
    title="Sigmoid linear unit (Swish)",
    summary="x sigmoid(beta x): a smooth relu with a soft floor.",
    formula=lambda xp, x, beta: x * xp.sigmoid(beta * x),
    slope=lambda xp, x, beta: xp.sigmoid(beta * x) * (1 + beta * x * xp.sigmoid(-beta * x)),
    parameters=(Parameter("beta", 1.0, "Slope of the gate: 0 gives x/2, infinity gives relu."),),
    parameter_slopes={"beta": lambda xp, x, beta: x**2 * xp.sigmoid(beta * x) * xp.sigmoid(-beta * x)},
    facts=Facts(
        value=Curve(
            range=Interval("-0.27846454276107379510935873902298015543947748861975", "inf", "low"),
            limits=("-0", "inf"),
            zeros=("0",),
            minimum=Point(_SILU_MINIMUM, "-0.27846454276107379510935873902298015543947748861975"),
        ),
        derivative=Curve(
            range=Interval(
                "-0.099839320128866916958184924320570972130729394209304",
                "1.0998393201288669169581849243205709721307293942093",
                "both",
            ),
            limits=("-0", "1"),
            zeros=(_SILU_MINIMUM,),
            minimum=Point(
                "-2.3993572805154676678327396972822838885229175768372",
                "-0.099839320128866916958184924320570972130729394209304",
            ),
            maximum=Point(
                "2.3993572805154676678327396972822838885229175768372",
                "1.0998393201288669169581849243205709721307293942093",
            ),
        ),
        rising=(Interval(_SILU_MINIMUM, "inf"),),
        falling=(Interval("-inf", _SILU_MINIMUM),),
        lipschitz="1.0998393201288669169581849243205709721307293942093",
    ),
    references=(
        "S. Elfwing, E. Uchibe, K. Doya, Sigmoid-Weighted Linear Units for Neural Network Function Approximation "
        "in Reinforcement Learning, 2017.",
        "P. Ramachandran, B. Zoph, Q. V. Le, Searching for Activation Functions (Swish), 2017.",
    ),
    notes="At its minimum silu(x) = x + 1. The name SwiGLU belongs to the gated unit silu(gate) * up.",
)

RECORDS = (sigmoid, tanh, silu)
