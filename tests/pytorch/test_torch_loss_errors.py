"""What softfloor.torch losses refuse, and what they say: what was given, what is allowed."""

import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor.torch as st  # noqa: E402

Z, Y = torch.zeros(3, 4), torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: st.softmax_cross_entropy([1.0], Y), TypeError, "argument 'z' must be Tensor, not list"),
        (lambda: st.softmax_cross_entropy(Z.int(), Y), TypeError, "'z' has dtype torch.int32; allowed are"),
        (lambda: st.softmax_cross_entropy(Z, [0, 1, 2]), TypeError, "argument 'labels' must be Tensor, not list"),
        (lambda: st.softmax_cross_entropy(Z, Y > 1), TypeError, "class labels must be integers; got dtype torch.bool"),
        (lambda: st.softmax_cross_entropy(Z, Y.float()), ValueError, r"labels have shape \(3,\) and dtype torch.float"),
        (lambda: st.softmax_cross_entropy(Z, Y[:2]), ValueError, r"labels have shape \(2,\); class labels need \(3,\)"),
        (lambda: st.softmax_cross_entropy(Z, Y + 2), IndexError, r"label 4 at position 2 is outside \[0, 4\)"),
        (lambda: st.softmax_cross_entropy(Z, Y, 5), IndexError, r"dimension 5 is out of range: z has shape \(3, 4\)"),
        (lambda: st.softmax_cross_entropy(Z, Y, (0,)), TypeError, r"dim must be one integer; got \(0,\)"),
        (lambda: st.softmax_cross_entropy(Z[0, 0], Y), RuntimeError, r"a tensor of shape \(\) has no dimension of cl"),
        (lambda: st.softmax_cross_entropy(Z, Z, ignore_index=1), ValueError, "ignore_index is for class labels"),
        (lambda: st.softmax_cross_entropy(Z, Y, label_smoothing=2), ValueError, "label_smoothing must be between 0"),
        (lambda: st.softmax_cross_entropy(Z, Y, reduction="x"), ValueError, "reduction must be 'mean', 'sum' or 'no"),
        (lambda: st.softmax_cross_entropy(Z, Y, weight=[1.0]), TypeError, "argument 'weight' must be Tensor, not list"),
        (lambda: st.softmax_cross_entropy(Z, Y, weight=Z[0, :3]), ValueError, r"weight has shape \(3,\); 4 classes n"),
        (lambda: st.softmax_cross_entropy(Z, Y, weight=Z[0] - 1), ValueError, "weight -1.0 at position 0 is not b"),
        (
            lambda: st.softmax_cross_entropy(Z, Y, weight=torch.ones(4, requires_grad=True)),
            RuntimeError,
            "not differentiable in 'weight'",
        ),
        (lambda: st.sigmoid_cross_entropy(Z, Y), ValueError, r"labels have shape \(3,\); the logits have \(3, 4\)"),
        (lambda: st.sigmoid_cross_entropy(Z, Z + 2), ValueError, r"label 2.0 at position \(0, 0\) is not in \[0, 1\]"),
        (lambda: st.sigmoid_cross_entropy(Z, Z, pos_weight=torch.ones(3)), ValueError, r"pos_weight has shape \(3,\)"),
        (lambda: st.sigmoid_cross_entropy(Z, Z, weight=2.0), TypeError, "argument 'weight' must be Tensor, not float"),
        (lambda: st.nll(Z, Y, reduction=None), ValueError, "reduction must be"),
        (lambda: st.nll(Z, Y + 2), IndexError, "label 4 at position 2"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
