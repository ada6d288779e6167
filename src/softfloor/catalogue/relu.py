"""relu."""

from .record import Activation, Curve, Facts, Interval, Kink

relu = Activation(
    name="relu",
    title="Rectified linear unit",
    summary="max(0, x): zero below zero, the identity above.",
    formula=lambda xp, x: xp.where(x < 0, 0, x),
    slope=lambda xp, x: xp.where(x > 0, 1, 0),
    exact=True,
    saved_for_backward="y",
    facts=Facts(
        value=Curve(range=Interval("0", "inf", "low"), limits=("0", "inf")),
        derivative=Curve(range=Interval("0", "1", "both"), limits=("0", "1")),
        rising=(Interval("0", "inf"),),
        kinks=(Kink(x="0", left="0", right="1", stated="0"),),
        smoothness=0,
        lipschitz="1",
    ),
    references=(
        "V. Nair, G. E. Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, ICML 2010.",
        "D. Bertoin et al., Numerical influence of ReLU'(0) on backpropagation, NeurIPS 2021 (why 0 at the kink).",
    ),
)

RECORDS = (relu,)
