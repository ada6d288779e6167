"""The cross-entropy of the sigmoid."""

from .record import RowKernel, Rows

sigmoid_cross_entropy = Rows(
    name="sigmoid_cross_entropy",
    title="Cross-entropy of the sigmoid",
    summary="(1 - y) log(1 + e^z) + y log(1 + e^-z) for a logit z and a label y in [0, 1].",
    formula=lambda xp, row, labels: [
        (1 - y) * xp.log(1 + xp.exp(z)) + y * xp.log(1 + xp.exp(-z)) for z, y in zip(row, labels, strict=True)
    ],
    kernels=(
        RowKernel("value", "SigmoidCrossEntropy", "(n),(n),(n),(n)->(n)", "TTddT"),
        RowKernel("value_and_grad", "SigmoidCrossEntropyValueAndGrad", "(n),(n),(n),(n),()->(n),(n)", "TTdddTT"),
        RowKernel("total", "SigmoidCrossEntropyTotal", "(n),(n),(n),(n)->()", "TTddd"),
        RowKernel("total_and_grad", "SigmoidCrossEntropyTotalAndGrad", "(n),(n),(n),(n),()->(),(n)", "TTddddT"),
        RowKernel("outside", "NumbersOutside", "(n),()->()", "Tdd"),
    ),
    references=("I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.",),
    operands={"z": "(n)", "labels": "(n)"},
)

RECORDS = (sigmoid_cross_entropy,)
