"""gelu and its tanh approximation: two functions, two names."""

from .record import Activation, Curve, Facts, Interval, Point

_GELU_MINIMUM = "-0.75179152469356445745790494677952403966447115342345"
_GELU_TANH_MINIMUM = "-0.75246142207101625848795444328891609060539217803763"


def twice_inner(xp, x):
    """2 sqrt(2/pi) (x + 0.044715 x^3), so that (1 + tanh(u))/2 = sigmoid(2 u)."""
    return xp.sqrt(8 / xp.pi) * (x + xp.decimal("0.044715") * x**3)


def _twice_inner_slope(xp, x):
    return xp.sqrt(8 / xp.pi) * (1 + xp.decimal("0.134145") * x**2)


gelu = Activation(
    name="gelu",
    title="Gaussian error linear unit",
    summary="x Phi(x), with Phi the distribution function of the standard normal: a smooth relu with a soft floor.",
    formula=lambda xp, x: x / 2 * xp.erfc(-x / xp.sqrt(2)),
    slope=lambda xp, x: xp.erfc(-x / xp.sqrt(2)) / 2 + x * xp.exp(-(x**2) / 2) / xp.sqrt(2 * xp.pi),
    facts=Facts(
        value=Curve(
            range=Interval("-0.16997120747990366169386847098243392283285239241824", "inf", "low"),
            limits=("-0", "inf"),
            zeros=("0",),
            minimum=Point(_GELU_MINIMUM, "-0.16997120747990366169386847098243392283285239241824"),
        ),
        derivative=Curve(
            range=Interval(
                "-0.12890414518515478634074444226197331233248701395279",
                "1.1289041451851547863407444422619733123324870139528",
                "both",
            ),
            limits=("-0", "1"),
            zeros=(_GELU_MINIMUM,),
            minimum=Point(
                "-1.4142135623730950488016887242096980785696718753769",
                "-0.12890414518515478634074444226197331233248701395279",
            ),
            maximum=Point(
                "1.4142135623730950488016887242096980785696718753769",
                "1.1289041451851547863407444422619733123324870139528",
            ),
        ),
        rising=(Interval(_GELU_MINIMUM, "inf"),),
        falling=(Interval("-inf", _GELU_MINIMUM),),
        lipschitz="1.1289041451851547863407444422619733123324870139528",
    ),
    references=("D. Hendrycks, K. Gimpel, Gaussian Error Linear Units (GELUs), 2016.",),
    notes="The exact function. Many programs mean the tanh approximation by this name; here that is gelu_tanh.",
)

gelu_tanh = Activation(
    name="gelu_tanh",
    title="Gaussian error linear unit, tanh approximation",
    summary="x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2: within 4.7324e-4 of gelu.",
    formula=lambda xp, x: x * xp.sigmoid(twice_inner(xp, x)),
    slope=lambda xp, x: (
        xp.sigmoid(twice_inner(xp, x)) * (1 + x * _twice_inner_slope(xp, x) * xp.sigmoid(-twice_inner(xp, x)))
    ),
    facts=Facts(
        value=Curve(
            range=Interval("-0.17004075057125405063906742798755568357709297500585", "inf", "low"),
            limits=("-0", "inf"),
            zeros=("0",),
            minimum=Point(_GELU_TANH_MINIMUM, "-0.17004075057125405063906742798755568357709297500585"),
        ),
        derivative=Curve(
            range=Interval(
                "-0.12899306865877176545590447039955384573430592192032",
                "1.1289930686587717654559044703995538457343059219203",
                "both",
            ),
            limits=("-0", "1"),
            zeros=(_GELU_TANH_MINIMUM,),
            minimum=Point(
                "-1.4185040087908283555480335455996426979241583187885",
                "-0.12899306865877176545590447039955384573430592192032",
            ),
            maximum=Point(
                "1.4185040087908283555480335455996426979241583187885",
                "1.1289930686587717654559044703995538457343059219203",
            ),
        ),
        rising=(Interval(_GELU_TANH_MINIMUM, "inf"),),
        falling=(Interval("-inf", _GELU_TANH_MINIMUM),),
        lipschitz="1.1289930686587717654559044703995538457343059219203",
    ),
    references=("D. Hendrycks, K. Gimpel, Gaussian Error Linear Units (GELUs), 2016, section 2.",),
)

RECORDS = (gelu, gelu_tanh)
