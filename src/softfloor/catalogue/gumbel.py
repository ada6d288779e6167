"""gumbel_softmax."""

from .record import RowKernel, Rows

gumbel_softmax = Rows(
    name="gumbel_softmax",
    title="Gumbel-softmax",
    summary="softmax((z + g) / T) with Gumbel noise g: a differentiable sample of the distribution softmax(z).",
    formula=lambda xp, row, noise: [
        xp.exp(z + g) / sum(xp.exp(y + h) for y, h in zip(row, noise, strict=True))
        for z, g in zip(row, noise, strict=True)
    ],
    kernels=(
        RowKernel("value", "GumbelSoftmax", "(n),(n),()->(n)", "TddT"),
        RowKernel("hard", "GumbelSoftmaxHard", "(n),(n)->(n)", "TdT"),
        RowKernel("vjp", "SoftmaxVjp", "(n),(n),()->(n)", "TTdT"),
    ),
    references=(
        "E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, 2017.",
        "C. J. Maddison, A. Mnih, Y. W. Teh, The Concrete Distribution, 2017.",
    ),
    random=True,
)

RECORDS = (gumbel_softmax,)
