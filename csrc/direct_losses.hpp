// softmax_cross_entropy and sigmoid_cross_entropy, without options but ignore_index, of plain arrays: check the labels,
// compute, add up. Everything else, and every message, is Python's (losses.py, binary_losses.py).
#pragma once
#include "direct_rows.hpp"
#include "exact_sum.hpp"

namespace softfloor {

struct LossCall {
    enum Loop { each, of_probabilities, total = of_probabilities, outside, loop_count };
    const RowLoop* loops[loop_count];  // by dtype: softmax_cross_entropy has the first two, sigmoid_cross_entropy all
    // The loss; where the loops have gradients, with the gradient, or with that and the losses of the rows, or nothing
    // but the gradient, times a cotangent.
    enum Result { loss, loss_and_losses, vjp } result;
    bool has_gradient() const { return loops[each]->outputs == 2; }
    bool has_classes() const { return !loops[outside]; }
};

constexpr const char* loss_call_name = "softfloor._core.LossCall";

// What every loss is given, and the gradient it fills.
class LossOfLogits {
  public:
    const LossCall& call;
    PlainDtype own;
    RowArguments arguments;
    RowLayout layout;
    Reduction reduction;
    double cotangent = 1.0;
    PyArrayObject *logits = nullptr, *gradient = nullptr;

    explicit LossOfLogits(const LossCall& of) : call(of) {}
    ~LossOfLogits() { Py_XDECREF(gradient); }
    LossOfLogits(const LossOfLogits&) = delete;
    LossOfLogits& operator=(const LossOfLogits&) = delete;

    // False, without an error, where the call is for Python.
    bool take(PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
        using Names = RowArguments;
        unsigned names = Names::with_reduction | (call.has_gradient() ? Names::with_out : 0);
        Py_ssize_t operands = is_vjp() ? 3 : 2;
        if (!(call.has_classes()
                  ? arguments.take(args, count, keywords, operands, names | Names::with_axis | Names::with_ignore_index,
                                   {{"weight"}, {"softcap"}, {"label_smoothing", true}, {"z_loss", true}})
                  : arguments.take(args, count, keywords, operands, names, {})))
            return false;
        if (is_vjp() && !take_number(args[2], cotangent)) return false;
        if (!reduction.take(arguments.reduction)) return false;
        logits = plain_array(args[0]);
        return logits && own.set(logits);
    }
    // The same, or false with an error: the array for the gradient, if there is one, apart from the operands.
    bool take_gradient(PyArrayObject* labels) {
        if (!call.has_gradient()) return true;
        if (arguments.out) {
            PyArrayObject* inputs[] = {logits, labels};
            gradient = take_output(arguments.out, own, PyArray_NDIM(logits), PyArray_DIMS(logits), inputs, 2);
            Py_XINCREF(gradient);
        } else {
            RecyclingScope recycling(PyArray_NBYTES(logits) >= large_operand);
            gradient = own.make(PyArray_NDIM(logits), PyArray_DIMS(logits));
        }
        return gradient;
    }
    bool is_vjp() const { return call.result == LossCall::vjp; }
    const RowLoop& loop(LossCall::Loop which) const { return call.loops[which][own.dtype]; }

    // What is asked for. The loss may be null with an error, or None; `losses` are those of the rows.
    PyObject* result(PyObject* loss, PyArrayObject* losses = nullptr) {
        if (!loss || loss == Py_None || !gradient) return loss;
        if (!losses || call.result != LossCall::loss_and_losses) return Py_BuildValue("(NO)", loss, gradient);
        Py_INCREF(losses);
        return Py_BuildValue("(NNO)", loss, PyArray_Return(losses), gradient);
    }
    PyObject* gradient_alone() { return Py_NewRef(reinterpret_cast<PyObject*>(gradient)); }
};

// The sum of numbers over the divisor, as a scalar of that dtype; None for one that is infinite or NaN.
template <class T, class Number>
PyObject* scalar_of_sum(const Number* numbers, npy_intp count, double divisor, const PlainDtype& own) {
    FloatingPointEnvironment environment;
    ExactSum sum;
    double block[ExactSum::until_carry];
    for (npy_intp begin = 0, n; begin < count; begin += n) {
        n = std::min(count - begin, npy_intp(ExactSum::until_carry));
        std::transform(numbers + begin, numbers + begin + n, block, [](Number x) { return double(widen(x)); });
        if (!sum.add(block, size_t(n))) Py_RETURN_NONE;
    }
    T value = narrow<T>(sum.rounded() / divisor);
    return PyArray_Scalar(&value, own.description, nullptr);
}
// The losses, or their sum or mean; over no row that counts that is 0.
inline PyObject* reduced(PyArrayObject* losses, Reduction reduction, double divisor, const PlainDtype& own) {
    if (reduction.none) {
        Py_INCREF(losses);
        return PyArray_Return(losses);
    }
    npy_intp count = divisor ? PyArray_SIZE(losses) : 0;
    if (!divisor) divisor = 1.0;
    return with_type(own.dtype, [&]<class T>(T) {
        return scalar_of_sum<T>(static_cast<const T*>(PyArray_DATA(losses)), count, divisor, own);
    });
}

// Labels are classes, or probabilities: numbers of the logits' own dtype, one for each.
inline PyObject* softmax_loss(LossOfLogits& loss, PyObject* labels_object) {
    RowLayout& layout = loss.layout;
    if (!layout.set(loss.logits, loss.arguments.axis, false)) Py_RETURN_NONE;
    PyArrayObject* probabilities = plain_array(labels_object);
    if (probabilities && !PyArray_SAMESHAPE(probabilities, loss.logits)) probabilities = nullptr;
    ClassLabels labels;
    if (probabilities ? loss.arguments.ignore_index || !loss.own.describes(probabilities)
                      : !labels.take(labels_object, layout, loss.arguments.ignore_index))
        Py_RETURN_NONE;
    if (!loss.take_gradient(probabilities ? probabilities : labels.array))
        return PyErr_Occurred() ? nullptr : Py_NewRef(Py_None);
    double divisor = loss.reduction.divisor(probabilities ? layout.rows() : labels.kept);
    double scale = divisor ? loss.cotangent / divisor : 0.0;
    PyArrayObject* losses = loss.own.make(layout.dimensions, layout.shape);
    if (!losses) return nullptr;
    char* targets =
        probabilities ? PyArray_BYTES(probabilities) : reinterpret_cast<char*>(const_cast<int64_t*>(labels.labels));
    char* memory[5] = {PyArray_BYTES(loss.logits), targets, PyArray_BYTES(losses)};
    unsigned common = 0;
    if (loss.gradient) {
        common = 1u << 2;
        memory[2] = reinterpret_cast<char*>(&scale);
        memory[3] = PyArray_BYTES(losses);
        memory[4] = PyArray_BYTES(loss.gradient);
    }
    PyObject* result = nullptr;
    if (run_rows(loss.loop(probabilities ? LossCall::of_probabilities : LossCall::each), layout, memory, common))
        result = loss.is_vjp() ? loss.gradient_alone()
                               : loss.result(reduced(losses, loss.reduction, divisor, loss.own), losses);
    Py_DECREF(losses);
    return result;
}

// Kernels of entries take rows of this length, and what remains: their results per row are sums of as many losses, and
// a call on many runs in threads.
constexpr npy_intp entries_together = 4096;

// Runs such a loop; operands in `common` are one row or one number for all.
inline bool run_entries(const RowLoop& loop, npy_intp size, char* const* memory, unsigned common) {
    npy_intp whole = size / entries_together;
    for (bool rest : {true, false}) {
        RowLayout rows;
        rows.outer = rest ? 1 : whole;
        rows.n = rest ? size % entries_together : entries_together;
        if (rows.outer == 0 || rows.n == 0) continue;
        char* at[maximum_row_operands];
        for (int k = 0; k < loop.inputs + loop.outputs; ++k) {
            npy_intp before = !rest || common >> k & 1 ? 0 : whole * (loop.is_row[k] ? entries_together : 1);
            at[k] = memory[k] + before * npy_intp(loop.sizes[k]);
        }
        if (!run_rows(loop, rows, at, common)) return false;
    }
    return true;
}

// A number per row of a loop of entries.
struct NumbersOfRows {
    npy_intp count;
    std::unique_ptr<double[]> numbers;
    explicit NumbersOfRows(npy_intp size)
        : count((size + entries_together - 1) / entries_together), numbers(new (std::nothrow) double[size_t(count)]) {
        if (!numbers) PyErr_NoMemory();
    }
    char* memory() { return reinterpret_cast<char*>(numbers.get()); }
};

// Whether all are in [0, 1]; false with an error if there was no memory.
inline bool are_shares(const LossCall& call, PyArrayObject* labels, Dtype dtype) {
    NumbersOfRows counts(PyArray_SIZE(labels));
    double largest = 1.0;
    char* memory[] = {PyArray_BYTES(labels), reinterpret_cast<char*>(&largest), counts.memory()};
    if (!counts.numbers || !run_entries(call.loops[LossCall::outside][dtype], PyArray_SIZE(labels), memory, 1u << 1))
        return false;
    return std::all_of(&counts.numbers[0], &counts.numbers[0] + counts.count,
                       [](double number) { return number == 0; });
}

// Labels in [0, 1], of the shape and dtype of the logits: a new reference; null where that is for Python, or with an
// error. Floats of other dtypes are converted here: NumPy would tell what underflows. So it would of integers that are
// too large for 16 bits, and those are for Python.
inline PyArrayObject* take_shares(const LossOfLogits& loss, PyObject* object) {
    const PlainDtype& own = loss.own;
    PyArrayObject* labels = plain_array(object);
    if (!labels || !PyArray_SAMESHAPE(labels, loss.logits) || !PyArray_ISNOTSWAPPED(labels)) return nullptr;
    PlainDtype given;
    bool are_bits = PyTypeNum_ISBOOL(PyArray_TYPE(labels)), are_wide = PyArray_ITEMSIZE(loss.logits) > 2;
    if (are_bits || (are_wide && PyTypeNum_ISINTEGER(PyArray_TYPE(labels)))) {
        Py_INCREF(own.description);
        labels = reinterpret_cast<PyArrayObject*>(PyArray_CastToType(labels, own.description, 0));
        if (labels && !are_shares(loss.call, labels, own.dtype)) Py_CLEAR(labels);
        return labels;
    }
    if (!given.set(labels) || !are_shares(loss.call, labels, given.dtype)) return nullptr;
    if (given.dtype == own.dtype) {
        Py_INCREF(labels);
        return labels;
    }
    PyArrayObject* converted = own.make(PyArray_NDIM(labels), PyArray_DIMS(labels));
    if (!converted) return nullptr;
    FloatingPointEnvironment environment;
    with_type(given.dtype, [&]<class From>(From) {
        with_type(own.dtype, [&]<class To>(To) {
            auto* from = static_cast<const From*>(PyArray_DATA(labels));
            std::transform(from, from + PyArray_SIZE(labels), static_cast<To*>(PyArray_DATA(converted)),
                           [](From x) { return narrow<To>(double(widen(x))); });
        });
    });
    return converted;
}

// Without weights: a row of ones for all.
struct Ones {
    double numbers[entries_together];
    Ones() { std::fill_n(numbers, entries_together, 1.0); }
};

inline PyObject* sigmoid_loss(LossOfLogits& loss, PyArrayObject* labels) {
    static Ones ones;
    npy_intp size = PyArray_SIZE(loss.logits);
    double divisor = loss.reduction.divisor(size), scale = loss.cotangent / divisor;
    auto* row_of_ones = reinterpret_cast<char*>(ones.numbers);
    char* memory[7] = {PyArray_BYTES(loss.logits), PyArray_BYTES(labels), row_of_ones, row_of_ones};
    unsigned common = 1u << 2 | 1u << 3;
    int first_output = 4;
    if (loss.gradient) {
        common |= 1u << 4;
        memory[4] = reinterpret_cast<char*>(&scale);
        first_output = 5;
        memory[6] = PyArray_BYTES(loss.gradient);
    }
    if (loss.reduction.none) {
        RecyclingScope recycling(PyArray_NBYTES(loss.logits) >= large_operand);
        PyArrayObject* losses = loss.own.make(PyArray_NDIM(loss.logits), PyArray_DIMS(loss.logits));
        if (!losses) return nullptr;
        memory[first_output] = PyArray_BYTES(losses);
        PyObject* result = nullptr;
        if (run_entries(loss.loop(LossCall::each), size, memory, common))
            result =
                loss.is_vjp() ? loss.gradient_alone() : loss.result(reduced(losses, loss.reduction, divisor, loss.own));
        Py_DECREF(losses);
        return result;
    }
    NumbersOfRows totals(size);
    memory[first_output] = totals.memory();
    if (!totals.numbers || !run_entries(loss.loop(LossCall::total), size, memory, common)) return nullptr;
    if (loss.is_vjp()) return loss.gradient_alone();
    return loss.result(with_type(loss.own.dtype, [&]<class T>(T) {
        return scalar_of_sum<T>(totals.numbers.get(), totals.count, divisor, loss.own);
    }));
}

inline PyObject* call_loss(PyObject* capsule, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    auto* call = static_cast<const LossCall*>(PyCapsule_GetPointer(capsule, loss_call_name));
    if (!call) return nullptr;
    LossOfLogits loss(*call);
    if (!loss.take(args, count, keywords)) Py_RETURN_NONE;
    if (call->has_classes()) return softmax_loss(loss, args[1]);
    PyArrayObject* labels =
        PyArray_SIZE(loss.logits) && PyArray_NDIM(loss.logits) ? take_shares(loss, args[1]) : nullptr;
    PyObject* result = nullptr;
    if (labels && loss.take_gradient(labels)) result = sigmoid_loss(loss, labels);
    else if (!PyErr_Occurred()) result = Py_NewRef(Py_None);
    Py_XDECREF(labels);
    return result;
}

// Of class labels and of probabilities: for softmax_cross_entropy; of each entry, of totals, of what is outside: for
// sigmoid_cross_entropy.
template <LossCall::Result result> PyObject* direct_loss(PyObject*, PyObject* const* gufuncs, Py_ssize_t count) {
    static PyMethodDef definition = {"call", as_method(call_loss), METH_FASTCALL | METH_KEYWORDS,
                                     "call(z, labels, ..., reduction='mean'), or None."};
    if (count != LossCall::outside && count != LossCall::loop_count)
        return PyErr_Format(PyExc_TypeError, "expected 2 or 3 gufuncs; got %zd", count);
    auto* own = new LossCall{{}, result};  // lives as long as the process, as gufuncs do
    for (Py_ssize_t k = 0; k < count; ++k)
        if (!(own->loops[k] = row_loops_of(gufuncs[k]))) return nullptr;
    PyObject* capsule = PyCapsule_New(own, loss_call_name, nullptr);
    PyObject* call = capsule ? PyCFunction_New(&definition, capsule) : nullptr;
    Py_XDECREF(capsule);
    return call;
}

}  // namespace softfloor
