"""Row functions that give most entries exactly zero: sparsemax, entmax15, hardmax."""

from .record import RowKernel, Rows


def _support(row, threshold):
    """The sorted row up to its last entry above the threshold that the entries before it imply."""
    ordered = sorted(row, reverse=True)
    return next(ordered[:k] for k in range(len(row), 0, -1) if ordered[k - 1] > threshold(ordered[:k]))


def _sparsemax(xp, row):
    def threshold(top):
        return (sum(top) - 1) / len(top)

    tau = threshold(_support(row, threshold))
    return [max(z - tau, 0) for z in row]


def _entmax15(xp, row):
    def threshold(top):
        mean = sum(top) / len(top)
        rest = 1 - sum((x - mean) ** 2 for x in top)
        # So many entries cannot be in the support: their spread alone exceeds the whole mass.
        return mean - xp.sqrt(rest / len(top)) if rest >= 0 else top[-1]

    halves = [z / 2 for z in row]
    tau = threshold(_support(halves, threshold))
    return [max(z - tau, 0) ** 2 for z in halves]


sparsemax = Rows(
    name="sparsemax",
    title="Sparsemax",
    summary="max(z_i - tau, 0) with tau such that they add up to 1: the nearest probabilities, many of them exactly 0.",
    formula=_sparsemax,
    kernels=(
        RowKernel("value", "Sparsemax", "(n),()->(n)", "TdT"),
        RowKernel("vjp", "SparsemaxVjp", "(n),(n),()->(n)", "TTdT"),
    ),
    references=(
        "A. F. T. Martins, R. F. Astudillo, From Softmax to Sparsemax, 2016.",
        "C. Michelot, A finite algorithm for finding the projection of a point onto the canonical simplex, 1986.",
    ),
)

entmax15 = Rows(
    name="entmax15",
    title="Entmax of order 1.5",
    summary="max(z_i/2 - tau, 0)^2 with tau such that they add up to 1: between softmax and sparsemax.",
    formula=_entmax15,
    kernels=(
        RowKernel("value", "Entmax15", "(n),()->(n)", "TdT"),
        RowKernel("vjp", "Entmax15Vjp", "(n),(n),()->(n)", "TTdT"),
    ),
    references=("B. Peters, V. Niculae, A. F. T. Martins, Sparse Sequence-to-Sequence Models, 2019.",),
)

hardmax = Rows(
    name="hardmax",
    title="Hardmax",
    summary="1 at the first maximum, 0 elsewhere: the limit of softmax at temperature 0 where the maximum is alone.",
    formula=lambda xp, row: [int(i == row.index(max(row))) for i in range(len(row))],
    kernels=(RowKernel("value", "Hardmax", "(n)->(n)", "TT"), RowKernel("vjp", "HardmaxVjp", "(n)->(n)", "TT")),
    references=("ONNX, operator Hardmax, 2016.",),
)

RECORDS = (sparsemax, entmax15, hardmax)
