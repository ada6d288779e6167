"""Functions along an axis: the softmax family and its cross-entropy."""

from .record import RowKernel, Rows

# The operands of a kernel that finishes a row from the state of its chunks (csrc/ops/states.hpp): first, second, ties,
# high, low, temperature; for a vjp from the output: the largest product, those without bound, high, low, temperature.
_STATE, _STATE_TYPES = "(),(),(),(),(),()", "ddllld"
_SUM, _SUM_TYPES = "(),(),(),(),()", "ddlld"
# Logits, class weights, probabilities, label, scale of the gradient, smoothing, z_loss, softcap.
_OPTIONS, _OPTIONS_TYPES = "(n),(n),(n),(),(),(),(),()", "TdTldddd"


def _total(xp, row):
    return sum(xp.exp(z) for z in row)


softmax = Rows(
    name="softmax",
    title="Softmax",
    summary="e^z_i / sum_j e^z_j: positive numbers that add up to 1.",
    formula=lambda xp, row: [xp.exp(z) / _total(xp, row) for z in row],
    kernels=(
        RowKernel("value", "Softmax", "(n),()->(n)", "TdT"),
        RowKernel("vjp", "SoftmaxVjp", "(n),(n),()->(n)", "TTdT"),
        RowKernel("of_state", "SoftmaxOfState", f"(n),{_STATE}->(n)", f"T{_STATE_TYPES}T"),
        RowKernel("product_size", "SoftmaxProductSize", "(n),(n)->(),()", "TTdd"),
        RowKernel("product_sum", "SoftmaxProductSum", "(n),(n),()->(),()", "TTdll"),
        RowKernel("vjp_of_state", "SoftmaxVjpOfState", f"(n),(n),{_SUM}->(n)", f"TT{_SUM_TYPES}T"),
    ),
    references=("J. S. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990.",),
)

log_softmax = Rows(
    name="log_softmax",
    title="Logarithm of softmax",
    summary="z_i - log sum_j e^z_j, never computed as log(softmax).",
    formula=lambda xp, row: [z - xp.log(_total(xp, row)) for z in row],
    kernels=(
        RowKernel("value", "LogSoftmax", "(n),()->(n)", "TdT"),
        RowKernel("vjp", "LogSoftmaxVjp", "(n),(n),()->(n)", "TTdT"),
        RowKernel("of_state", "LogSoftmaxOfState", f"(n),{_STATE}->(n)", f"T{_STATE_TYPES}T"),
        RowKernel("product_size", "LogSoftmaxProductSize", "(n),(n)->(),()", "TTdd"),
        RowKernel("product_sum", "LogSoftmaxProductSum", "(n),(n),()->(),()", "TTdll"),
        RowKernel("vjp_of_state", "LogSoftmaxVjpOfState", f"(n),(n),{_SUM}->(n)", f"TT{_SUM_TYPES}T"),
    ),
    references=(
        "P. Blanchard, D. J. Higham, N. J. Higham, Accurately computing the log-sum-exp and softmax functions, 2021.",
    ),
)

logsumexp = Rows(
    name="logsumexp",
    title="Logarithm of a sum of exponentials",
    summary="log sum_j e^z_j: a smooth maximum, the normaliser of softmax.",
    formula=lambda xp, row: xp.log(_total(xp, row)),
    kernels=(
        RowKernel("value", "Logsumexp", "(n),()->()", "TdT"),
        RowKernel("vjp", "LogsumexpVjp", "(n),(),()->(n)", "TdTT"),
        RowKernel("summit", "Summit", "(n)->(),()", "Tdd"),
        RowKernel("terms", "Terms", "(n),(),(),()->(),(),()", "Tdddlll"),
        RowKernel("of_state", "LogsumexpOfState", f"(n),{_STATE}->(n)", f"T{_STATE_TYPES}T"),
        RowKernel("vjp_of_state", "LogsumexpVjpOfState", f"(n),{_STATE},()->(n)", f"T{_STATE_TYPES}TT"),
    ),
    references=(
        "P. Blanchard, D. J. Higham, N. J. Higham, Accurately computing the log-sum-exp and softmax functions, 2021.",
    ),
)

softmax_cross_entropy = Rows(
    name="softmax_cross_entropy",
    title="Cross-entropy of softmax",
    summary="-sum_i y_i log softmax(z)_i for a class label or class probabilities y.",
    formula=lambda xp, row, labels: sum(y * (xp.log(_total(xp, row)) - z) for z, y in zip(row, labels, strict=True)),
    kernels=(
        RowKernel("value", "SoftmaxCrossEntropy", "(n),()->()", "TlT"),
        RowKernel("value_and_grad", "SoftmaxCrossEntropyValueAndGrad", "(n),(),()->(),(n)", "TldTT"),
        RowKernel("probabilities_value", "SoftmaxCrossEntropyProbabilities", "(n),(n)->()", "TTT"),
        RowKernel(
            "probabilities_value_and_grad",
            "SoftmaxCrossEntropyProbabilitiesValueAndGrad",
            "(n),(n),()->(),(n)",
            "TTdTT",
        ),
        RowKernel("with_options", "SoftmaxCrossEntropyWithOptions", f"{_OPTIONS}->()", f"{_OPTIONS_TYPES}T"),
        RowKernel(
            "with_options_value_and_grad",
            "SoftmaxCrossEntropyWithOptionsValueAndGrad",
            f"{_OPTIONS}->(),(n)",
            f"{_OPTIONS_TYPES}TT",
        ),
        RowKernel("of_state", "LossOfState", f"(n),{_STATE}->(n)", f"T{_STATE_TYPES}T"),
        RowKernel("gradient_of_state", "LossGradientOfState", f"(n),{_STATE},(),()->(n)", f"T{_STATE_TYPES}ldT"),
    ),
    references=("I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.",),
    operands={"z": "(n)", "labels": "()"},
)


def _loss_of_linear_layer(xp, hidden, weight, label, bias):
    logits = [sum(h * w for h, w in zip(hidden, row, strict=True)) + b for row, b in zip(weight, bias, strict=True)]
    return xp.log(_total(xp, logits)) - logits[label]


linear_cross_entropy = Rows(
    name="linear_cross_entropy",
    title="Cross-entropy of a linear layer",
    summary="The cross-entropy of softmax(hidden weight^T + bias), without ever holding those logits.",
    formula=_loss_of_linear_layer,
    kernels=(),  # products by NumPy, the rest by softmax_cross_entropy
    references=(
        "E. Wijmans et al., Cut Your Losses in Large-Vocabulary Language Models, 2024.",
        "P.-L. Hsu et al., Liger Kernel: Efficient Triton Kernels for LLM Training, 2024.",
    ),
    operands={"hidden": "(k)", "weight": "(n,k)", "labels": "()"},
)

RECORDS = (softmax, log_softmax, logsumexp, softmax_cross_entropy, linear_cross_entropy)
