// nll of the most frequent operands in one pass: check the labels, pick their log-probabilities, add up, and write the
// gradient. Everything else, and every message, is likelihood.py's.
#pragma once
#include <cstdint>
#include <cstring>

#include "exact_sum.hpp"
#include "row_arguments.hpp"
#include "threads.hpp"

namespace softfloor {

// Log-probabilities q[outer][class][inner]; row p is of outer p / inner and inner p % inner.
template <class T> struct ClassLosses {
    const T* q;
    const int64_t* labels;
    size_t rows, classes, inner;

    // body(p, where the entry of its label lies), for rows that are kept
    template <class Body> void each(size_t begin, size_t end, Body body) const {
        size_t column = begin % inner, first = begin / inner * classes * inner;
        for (size_t p = begin; p < end; ++p) {
            if (labels[p] >= 0) body(p, first + size_t(labels[p]) * inner + column);
            if (++column == inner) column = 0, first += classes * inner;
        }
    }
    double loss(size_t place) const { return 0.0 - double(widen(q[place])); }  // no zero is negative

    void write_losses(T* to) const {
        std::fill_n(to, rows, T());
        each(0, rows, [&](size_t p, size_t place) { to[p] = Format<T>::store(loss(place)); });
    }
    // False for an infinity or NaN.
    bool add_losses(ExactSum& sum) const {
        constexpr size_t block = ExactSum::until_carry;
        double losses[block];
        for (size_t begin = 0; begin < rows; begin += block) {
            size_t end = rows - begin < block ? rows : begin + block;
            std::fill_n(losses, end - begin, 0.0);
            each(begin, end, [&](size_t p, size_t place) { losses[p - begin] = loss(place); });
            if (!sum.add(losses, end - begin)) return false;
        }
        return true;
    }
    void write_slopes(T* gradient, T slope) const {
        static ElementCost cost;
        constexpr size_t columns = 1024;  // of a part, at least: a page of float32
        parallel_for(rows, inner > 1 ? std::min(inner, columns) : 1, classes, cost, [&](size_t begin, size_t end) {
            write_zeros(gradient, begin, end);
            each(begin, end, [&](size_t, size_t place) { gradient[place] = slope; });
        });
    }

  private:
    // To the rows from begin to end: whole blocks of rows at once, and parts of the blocks before and after them.
    void write_zeros(T* to, size_t begin, size_t end) const {
        size_t first = (begin + inner - 1) / inner, last = end / inner;
        if (first > last) return write_columns(to, last, begin % inner, end % inner);
        if (begin % inner) write_columns(to, first - 1, begin % inner, inner);
        std::memset(to + first * classes * inner, 0, (last - first) * classes * inner * sizeof(T));
        if (end % inner) write_columns(to, last, 0, end % inner);
    }
    void write_columns(T* to, size_t block, size_t begin, size_t end) const {
        for (size_t row = block * classes; row < (block + 1) * classes; ++row)
            std::memset(to + row * inner + begin, 0, (end - begin) * sizeof(T));
    }
};

// The loss, or with an array for the gradient the pair of both; None where likelihood.py has to look.
template <class T>
PyObject* class_loss_of(const ClassLosses<T>& losses, const PlainDtype& own, RowLayout& layout, Reduction reduction,
                        npy_intp kept, PyArrayObject* gradient) {
    double divisor = reduction.divisor(kept ? kept : 1);
    FloatingPointEnvironment environment;
    PyObject* loss;
    if (reduction.none) {
        PyArrayObject* array = own.make(layout.dimensions, layout.shape);
        if (!array) return nullptr;
        losses.write_losses(static_cast<T*>(PyArray_DATA(array)));
        loss = PyArray_Return(array);
    } else {
        ExactSum sum;
        if (!losses.add_losses(sum)) Py_RETURN_NONE;
        T value = narrow<T>(sum.rounded() / divisor);
        loss = PyArray_Scalar(&value, own.description, nullptr);
    }
    if (!loss || !gradient) return loss;
    losses.write_slopes(static_cast<T*>(PyArray_DATA(gradient)), narrow<T>(0.0 - 1.0 / divisor));
    return Py_BuildValue("(NO)", loss, gradient);
}

// call(log_probabilities, labels, axis=-1, *, reduction="mean", and with a gradient out=None)
inline PyObject* class_loss_or_none(PyObject* const* args, Py_ssize_t count, PyObject* keywords, bool has_gradient) {
    RowArguments arguments;
    unsigned names = RowArguments::with_axis | RowArguments::with_reduction | RowArguments::with_ignore_index;
    if (has_gradient) names |= RowArguments::with_out;
    if (!arguments.take(args, count, keywords, 2, names, {{"weight"}})) Py_RETURN_NONE;
    PyArrayObject* q = plain_array(args[0]);
    PlainDtype own;
    RowLayout layout;
    Reduction reduction;
    ClassLabels labels;
    if (!q || !own.set(q) || !reduction.take(arguments.reduction) || !layout.set(q, arguments.axis, false) ||
        !labels.take(args[1], layout, arguments.ignore_index))
        Py_RETURN_NONE;
    PyArrayObject* gradient = nullptr;
    if (has_gradient && arguments.out) {  // log-probabilities may be written over: they have been read by then
        gradient = take_output(arguments.out, own, PyArray_NDIM(q), PyArray_DIMS(q), &labels.array, 1);
        if (!gradient) Py_RETURN_NONE;
        Py_INCREF(gradient);
    } else if (has_gradient) {
        RecyclingScope recycling(PyArray_NBYTES(q) >= large_operand);
        gradient = own.make(PyArray_NDIM(q), PyArray_DIMS(q));
        if (!gradient) return nullptr;
    }
    PyObject* loss = with_type(own.dtype, [&]<class T>(T) {
        ClassLosses<T> losses = {static_cast<const T*>(PyArray_DATA(q)), labels.labels, size_t(layout.rows()),
                                 size_t(layout.n), size_t(layout.inner)};
        return class_loss_of<T>(losses, own, layout, reduction, labels.kept, gradient);
    });
    Py_XDECREF(gradient);
    return loss;
}

inline PyObject* class_loss(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    return class_loss_or_none(args, count, keywords, false);
}
inline PyObject* class_loss_and_grad(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    return class_loss_or_none(args, count, keywords, true);
}

}  // namespace softfloor
