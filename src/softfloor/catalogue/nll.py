"""The negative log-likelihood."""

from .record import Rows

nll = Rows(
    name="nll",
    title="Negative log-likelihood",
    summary="-q[label] for log-probabilities q, as log_softmax returns them.",
    formula=lambda xp, row, label: -row[label],
    kernels=(),  # one entry per row is picked: by NumPy
    references=("C. M. Bishop, Pattern Recognition and Machine Learning, section 4.3.4, 2006.",),
    operands={"log_probabilities": "(n)", "labels": "()"},
)

RECORDS = (nll,)
