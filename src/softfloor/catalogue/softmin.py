"""softmin."""

from .record import RowKernel, Rows

softmin = Rows(
    name="softmin",
    title="Softmin",
    summary="e^-z_i / sum_j e^-z_j: softmax of -z, the small entries get the mass.",
    formula=lambda xp, row: [xp.exp(-z) / sum(xp.exp(-y) for y in row) for z in row],
    kernels=(
        RowKernel("value", "Softmin", "(n),()->(n)", "TdT"),
        RowKernel("vjp", "SoftminVjp", "(n),(n),()->(n)", "TTdT"),
    ),
    references=("J. S. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990.",),
)

RECORDS = (softmin,)
