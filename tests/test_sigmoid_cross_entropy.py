"""sigmoid_cross_entropy: values and gradients against MPFR, labels, weights, reductions, edges, layouts, bad input."""

import itertools
import re

import gmpy2
import numpy as np
import pytest

import softfloor as sf
from cases import DTYPES, assert_same_bits, edges, every_dtype
from softfloor import catalogue, formula
from ulp import ulp_error

cross_entropy = sf.sigmoid_cross_entropy


def problem(dtype, count=400, seed=0):
    random = np.random.default_rng(seed)
    z = np.concatenate([random.normal(0, 3, count // 2), random.uniform(-900, 900, count - count // 2)]).astype(dtype)
    z[: len(edges(dtype))] = edges(dtype)
    z = z[np.isfinite(z)]
    y = random.choice([0, 1, 0.5, random.random(), 1e-3], z.shape).astype(dtype)
    return z, y


def exact(z, y, positive, weight):
    """Loss, gradient, and the size of the gradient's terms, in forms that keep digits."""
    formula.mpfr(400)
    numbers = [gmpy2.mpfr(float(v)) for v in (z, y, positive, weight)]
    z, y, positive, weight = numbers
    rest = gmpy2.log1p(gmpy2.exp(-abs(z)))
    up, down = max(z, 0) + rest, max(-z, 0) + rest
    one, other = (1 - y) / (1 + gmpy2.exp(-z)), positive * y / (1 + gmpy2.exp(z))
    return weight * ((1 - y) * up + positive * y * down), weight * (one - other), weight * (one + other)


@every_dtype
def test_values_and_gradients(dtype):
    z, y = problem(dtype)
    random = np.random.default_rng(1)
    limit, share = (1.5, 2.0**-60) if dtype is np.float64 else (1.0, 2.0**-30)
    largest = float(np.finfo(np.float32).max if dtype is not np.float16 else 65504)
    for positive, weight in ((1.0, 1.0), (3.7, 1.0), (random.random(z.shape) * 5, random.random(z.shape))):
        keywords = {"pos_weight": positive, "weight": weight, "reduction": "none"}
        losses, gradient = cross_entropy.value_and_grad(z, y, **keywords)
        assert_same_bits(cross_entropy(z, y, **keywords), losses)
        positives, weights = np.broadcast_to(positive, z.shape), np.broadcast_to(weight, z.shape)
        for i in range(z.size):
            loss, slope, size = exact(z[i], y[i], positives[i], weights[i])
            if abs(loss) < largest:
                assert ulp_error(float(losses[i]), loss, losses.dtype.name) < limit, (z[i], y[i])
            error = abs(gmpy2.mpfr(float(gradient[i])) - slope)
            allowed = error / ulp_error(float(gradient[i]), slope, losses.dtype.name) * limit if error else 0
            assert error <= allowed + share * size, (z[i], y[i])


@every_dtype
def test_a_gradient_of_zero_is_positive(dtype):
    z, weight = np.array([0, -3, 3, -np.inf], dtype), np.array([1.0, 0, 0, 1])
    y = np.array([0.5, 0.2, 0.2, 0], dtype)
    gradient = cross_entropy.value_and_grad(z, y, weight=weight)[1]
    assert_same_bits(gradient, np.zeros(4, dtype))


@pytest.mark.parametrize("label", (0, 1))
def test_certain_labels_in_float32(label):
    """A thin sample of every exponent, against extended precision: labels of 0 and 1 have arithmetic of their own."""
    sizes = np.arange(0, np.float32(100).view(np.int32), 9973, np.int32).view(np.float32)
    z = np.concatenate([sizes, -sizes])
    y = np.full_like(z, label)
    wide = z.astype(np.longdouble) * (1 - 2 * label)
    small = np.exp(-np.abs(wide))
    loss = np.maximum(wide, 0) + np.log1p(small)
    slope = np.where(wide > 0, 1, small) / (1 + small) * (1 - 2 * label)
    results = cross_entropy.value_and_grad(z, y, reduction="none")
    for computed, exactly in zip(results, (loss, slope), strict=True):
        unit = np.spacing(np.abs(exactly).astype(np.float32)).astype(np.longdouble)
        assert np.max(np.abs(computed - exactly) / unit) < 1
    for cpu in sf.cpu.available():
        with sf.cpu.use(cpu):
            for one, other in zip(cross_entropy.value_and_grad(z, y, reduction="none"), results, strict=True):
                assert_same_bits(one, other)
            # Alone, beside entries of which some need wider arithmetic, and in place.
            mixed = cross_entropy(np.append(z, np.float32(200)), np.append(y, np.float32(0.5)), reduction="none")
            assert_same_bits(mixed[:-1], results[0])
            own = z.copy()
            assert_same_bits(cross_entropy.value_and_grad(own, y, reduction="none", out=own)[1], results[1])


def test_the_truth_is_the_catalogue_s_formula():
    xp, record = formula.mpfr(400), catalogue.ROWS["sigmoid_cross_entropy"]
    for z, y in ((0.3, 0.25), (-7.0, 1.0), (20.0, 0.0)):
        (plain,) = record.formula(xp, [gmpy2.mpfr(z)], [gmpy2.mpfr(y)])
        assert abs(plain - exact(z, y, 1, 1)[0]) < 1e-100
        step = gmpy2.exp2(-100)
        pair = [record.formula(xp, [gmpy2.mpfr(z) + s * step], [gmpy2.mpfr(y)])[0] for s in (1, -1)]
        assert abs((pair[0] - pair[1]) / (2 * step) - exact(z, y, 1, 1)[1]) < 1e-50


@every_dtype
def test_small_losses_keep_their_digits(dtype):
    """pytorch #85791 and #29429: half precision overflowed; here a large logit on the right side costs e^-z."""
    z = np.array([12, -12, 15], dtype)
    losses = cross_entropy(z, np.array([1, 0, 1]), reduction="none")
    np.testing.assert_allclose(
        losses.astype(float),
        np.log1p(np.exp(-np.abs(z.astype(float)))),
        rtol=float(edges(dtype)[4]),
        atol=float(edges(dtype)[1]),
    )
    assert (losses > 0).all()
    huge = edges(dtype)[12]
    assert cross_entropy(np.full(10, huge), np.ones(10)) == 0
    assert_same_bits(cross_entropy(np.full(10, huge), np.zeros(10), reduction="none"), np.full(10, huge))


@every_dtype
def test_infinite_logits(dtype):
    z = np.array([np.inf, np.inf, -np.inf, -np.inf, np.inf, np.nan], dtype)
    y = np.array([1, 0, 1, 0, 0.5, 1])
    losses, gradient = cross_entropy.value_and_grad(z, y, reduction="none")
    assert_same_bits(losses, np.array([0, np.inf, np.inf, 0, np.inf, np.nan], dtype))
    np.testing.assert_array_equal(gradient.astype(float), [0, 1, -1, 0, 0.5, np.nan])
    assert_same_bits(cross_entropy(z[:5], y[:5], weight=0, reduction="none"), np.zeros(5, dtype))
    assert cross_entropy(z[:2], y[:2]) == np.inf
    assert np.isnan(cross_entropy(z, y))


@every_dtype
@pytest.mark.parametrize("label_dtype", [*np.typecodes["AllInteger"], "?", *DTYPES], ids=str)
def test_labels_of_every_dtype(dtype, label_dtype):
    z = np.random.default_rng(0).normal(0, 3, (5, 4)).astype(dtype)
    y = np.random.default_rng(1).integers(0, 2, (5, 4))
    expected = cross_entropy.value_and_grad(z, y.astype(dtype))
    for one, other in zip(cross_entropy.value_and_grad(z, y.astype(label_dtype)), expected, strict=True):
        assert_same_bits(one, other)
        assert one.dtype == dtype


@every_dtype
def test_reductions(dtype):
    for count in (1, 100, 4096, 10_000):
        random = np.random.default_rng(count)
        z, y = random.normal(0, 3, count).astype(dtype), random.random(count).astype(dtype)
        losses, slopes = cross_entropy.value_and_grad(z, y, reduction="none")
        total = float(losses.astype(np.float64).sum())
        assert float(cross_entropy(z, y, reduction="sum")) == pytest.approx(total, rel=float(edges(dtype)[4]))
        mean, gradient = cross_entropy.value_and_grad(z, y)
        assert_same_bits(mean, cross_entropy(z, y))
        assert float(mean) == pytest.approx(total / count, rel=float(edges(dtype)[4]))
        tolerance = {"rtol": 2 * float(edges(dtype)[4]), "atol": float(edges(dtype)[1])}
        np.testing.assert_allclose(gradient.astype(float), slopes.astype(float) / count, **tolerance)
    nothing, gradient = cross_entropy.value_and_grad(np.empty((0, 3), dtype), np.empty((0, 3)))
    assert nothing == 0
    assert gradient.shape == (0, 3)


def test_it_is_torch_s():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    z, y, weight = random.normal(0, 3, (6, 4)), random.random((6, 4)), random.random((6, 1))
    positive = np.array([0.5, 1, 2, 3])
    tensors = {"weight": torch.tensor(weight), "pos_weight": torch.tensor(positive)}
    for reduction in ("mean", "sum", "none"):
        logits = torch.tensor(z, requires_grad=True)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.tensor(y), reduction=reduction, **tensors
        )
        expected.sum().backward()
        loss, gradient = cross_entropy.value_and_grad(z, y, weight=weight, pos_weight=positive, reduction=reduction)
        np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-13)
        np.testing.assert_allclose(gradient, logits.grad.numpy(), rtol=1e-12, atol=1e-15)


@every_dtype
def test_layouts_instruction_sets_and_threads(dtype):
    random = np.random.default_rng(0)
    z = random.normal(0, 5, (300, 400)).astype(dtype)
    z.ravel()[: len(edges(dtype))] = edges(dtype)
    y, positive = random.random(z.shape).astype(dtype), random.random(400)
    expected = cross_entropy.value_and_grad(z, y, pos_weight=positive, reduction="none")
    finite = np.where(np.isfinite(z), z, dtype(0))
    mean = cross_entropy(finite, y)
    for cpu, threads in itertools.product(sf.cpu.available(), (1, 3)):
        with sf.cpu.use(cpu), sf.threads.set(threads):
            for a in (z, np.asfortranarray(z), np.repeat(z, 2, axis=1)[:, ::2]):
                results = cross_entropy.value_and_grad(a, y, pos_weight=positive, reduction="none")
                for one, other in zip(results, expected, strict=True):
                    assert_same_bits(one, other)
            assert_same_bits(cross_entropy(np.asfortranarray(finite), y), mean)
    own = z.copy()
    for source, out in ((z, np.empty_like(z)), (z, np.empty_like(z, order="F")), (own, own)):
        assert cross_entropy.value_and_grad(source, y, pos_weight=positive, reduction="none", out=out)[1] is out
        assert_same_bits(out, expected[1])


@pytest.mark.parametrize("reduction", ("mean", "none"))
@pytest.mark.parametrize("operand", (0, 1))
def test_a_gradient_that_overlaps_an_operand_with_a_shift(operand, reduction):
    """Entries go through the kernels in two pieces: what the first writes the second must not read."""
    memory = np.random.default_rng(0).uniform(0, 1, 4 * 4096)
    for shift in (-1, 1, 4096):
        begin = 4096 + 1
        operands = [np.random.default_rng(1).uniform(0, 1, 5000) for _ in range(2)]
        operands[operand] = memory[begin : begin + 5000]
        expected = cross_entropy.value_and_grad(*(o.copy() for o in operands), reduction=reduction)
        before = memory.copy()
        out = memory[begin + shift : begin + shift + 5000]
        loss, gradient = cross_entropy.value_and_grad(*operands, reduction=reduction, out=out)
        assert gradient is out
        assert_same_bits(gradient, expected[1])
        assert_same_bits(np.asarray(loss), np.asarray(expected[0]))
        memory[:] = before


def test_a_single_loss_is_a_scalar():
    assert isinstance(cross_entropy(0.5, 1, reduction="none"), np.float64)
    assert isinstance(cross_entropy.value_and_grad(0.5, 1, reduction="none")[0], np.float64)


@every_dtype
def test_no_warning(dtype):
    z, y = np.meshgrid(edges(dtype), np.array([0, 0.25, 1], dtype))
    with np.errstate(all="raise"):
        cross_entropy(np.zeros(2, dtype), np.full(2, 1e-300))
        for positive, weight in itertools.product((0, 1, 1e-300, 1e100), repeat=2):
            loss, gradient = cross_entropy.value_and_grad(z, y, pos_weight=positive, weight=weight, reduction="none")
            assert (np.isnan(loss) == np.isnan(z)).all(), (positive, weight)
            assert (np.isnan(gradient) == np.isnan(z)).all()


def test_bad_input():
    z = np.zeros((2, 3))
    for wrong, name in ((2, "2"), (-0.5, "-0.5"), (np.nan, "nan")):
        labels = np.zeros((2, 3))
        labels[1, 2] = wrong
        with pytest.raises(ValueError, match=rf"label {name}.* at position \(1, 2\) is not in \[0, 1\]"):
            cross_entropy(z, labels)
    with pytest.raises(ValueError, match=r"labels have shape \(3,\); the logits have \(2, 3\)"):
        cross_entropy(z, np.zeros(3))
    for name, wrong in itertools.product(("weight", "pos_weight"), (-1.0, 1e101, np.inf, np.nan)):
        with pytest.raises(ValueError, match=f"{name} {re.escape(str(wrong))} is not between 0 and 1e100"):
            cross_entropy(z, z, **{name: wrong})
        with pytest.raises(ValueError, match=rf"{name} has shape \(2,\), which does not broadcast to \(2, 3\)"):
            cross_entropy(z, z, **{name: np.ones(2)})
        with pytest.raises(TypeError, match=f"{name} has dtype"):
            cross_entropy(z, z, **{name: "heavy"})
    with pytest.raises(TypeError, match="z has dtype"):
        cross_entropy(z * 1j, z)
    with pytest.raises(TypeError, match="labels has dtype"):
        cross_entropy(z, z * 1j)
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none'; got 'average'"):
        cross_entropy(z, z, reduction="average")
    for out in (np.ones(3), np.ones((2, 3), np.float32), [0.0]):
        with pytest.raises(ValueError, match="out must be an array of float64"):
            cross_entropy.value_and_grad(z, z, out=out)


@pytest.mark.parametrize("reduction", ("mean", "sum", "none"))
def test_vjp(reduction):
    z = np.random.default_rng(0).normal(size=(3, 5))
    labels, weights = np.linspace(0, 1, 15).reshape(3, 5), {"pos_weight": 2.0, "weight": np.array([1.0, 2, 3, 4, 5])}
    gradient = sf.sigmoid_cross_entropy.value_and_grad(z, labels, reduction=reduction, **weights)[1]
    scaled = sf.sigmoid_cross_entropy.vjp(z, labels, -3.0, reduction=reduction, **weights)
    np.testing.assert_allclose(scaled, -3 * gradient, rtol=1e-15)
    alone = sf.sigmoid_cross_entropy.vjp(z, labels, 1.0, reduction=reduction, **weights)
    np.testing.assert_array_equal(alone, gradient)
    column, out = np.array([[1.0], [-2.0], [0.0]]), np.empty_like(z)
    if reduction == "none":
        result = sf.sigmoid_cross_entropy.vjp(z, labels, column, reduction="none", out=out, **weights)
        assert result is out
        np.testing.assert_allclose(out, column * gradient, rtol=1e-15)
        with pytest.raises(ValueError, match=r"cotangent has shape \(2,\), which does not broadcast to \(3, 5\)"):
            sf.sigmoid_cross_entropy.vjp(z, labels, np.ones(2), reduction="none")
    else:
        with pytest.raises(ValueError, match=r"the loss is a scalar; got a cotangent of shape \(3, 1\)"):
            sf.sigmoid_cross_entropy.vjp(z, labels, column, reduction=reduction)
