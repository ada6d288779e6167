// nll of the most frequent operands in one pass: check the labels, pick their log-probabilities, add up, and write the
// gradient. Everything else, and every message, is likelihood.py's.
#pragma once
#include <cstdint>
#include <cstring>

#include "exact_sum.hpp"
#include "memory_handler.hpp"
#include "threads.hpp"

namespace softfloor {

// Log-probabilities q[outer][class][inner]; row p is of outer p / inner and inner p % inner.
template <class T> struct ClassLosses {
    const T* q;
    const int64_t* labels;
    size_t rows, classes, inner;

    bool labels_are_inside() const {
        uint64_t outside = 0, last = uint64_t(classes) - 1;
        for (size_t p = 0; p < rows; ++p) outside |= uint64_t(labels[p]) | (last - uint64_t(labels[p]));
        return !(outside >> 63);
    }
    // body(p, where the entry of its label lies)
    template <class Body> void each(size_t begin, size_t end, Body body) const {
        size_t column = begin % inner, first = begin / inner * classes * inner;
        for (size_t p = begin; p < end; ++p) {
            body(p, first + size_t(labels[p]) * inner + column);
            if (++column == inner) column = 0, first += classes * inner;
        }
    }
    double loss(size_t place) const { return 0.0 - double(q[place]); }  // no zero is negative

    void write_losses(T* to) const {
        each(0, rows, [&](size_t p, size_t place) { to[p] = T(loss(place)); });
    }
    // False for an infinity or NaN.
    bool add_losses(ExactSum& sum) const {
        constexpr size_t block = ExactSum::until_carry;
        double losses[block];
        for (size_t begin = 0; begin < rows; begin += block) {
            size_t end = rows - begin < block ? rows : begin + block;
            each(begin, end, [&](size_t p, size_t place) { losses[p - begin] = loss(place); });
            if (!sum.add(losses, end - begin)) return false;
        }
        return true;
    }
    void write_slopes(T* gradient, T slope) const {
        static ElementCost cost;
        size_t item = classes * inner;
        parallel_for(rows / inner, 1, item, cost, [&](size_t begin, size_t end) {
            std::memset(gradient + begin * item, 0, (end - begin) * item * sizeof(T));
            each(begin * inner, end * inner, [&](size_t, size_t place) { gradient[place] = slope; });
        });
    }
};

// The loss, or the pair of it and the gradient; None where likelihood.py has to look. gradient: null, None for a new
// one, or an array.
template <class T>
PyObject* class_loss_of(PyArrayObject* q, PyArrayObject* labels, int axis, PyObject* reduction, PyObject* gradient) {
    size_t inner = 1;
    for (int k = axis + 1; k < PyArray_NDIM(q); ++k) inner *= size_t(PyArray_DIM(q, k));
    ClassLosses<T> losses{static_cast<const T*>(PyArray_DATA(q)), static_cast<const int64_t*>(PyArray_DATA(labels)),
                          size_t(PyArray_SIZE(labels)), size_t(PyArray_DIM(q, axis)), inner};
    auto is = [&](const char* name) { return PyUnicode_CompareWithASCIIString(reduction, name) == 0; };
    bool none = is("none"), mean = is("mean");
    double divisor = mean ? double(losses.rows) : 1.0;
    FloatingPointEnvironment environment;
    if (!(none || mean || is("sum")) || !losses.labels_are_inside()) Py_RETURN_NONE;
    PyObject* loss;
    if (none) {
        loss = PyArray_SimpleNew(PyArray_NDIM(labels), PyArray_DIMS(labels), PyArray_TYPE(q));
        if (!loss) return nullptr;
        losses.write_losses(static_cast<T*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(loss))));
    } else {
        ExactSum sum;
        if (!losses.add_losses(sum)) Py_RETURN_NONE;
        T value = T(sum.rounded() / divisor);
        loss = PyArray_Scalar(&value, PyArray_DESCR(q), nullptr);
        if (!loss) return nullptr;
    }
    if (!gradient) return loss;
    if (gradient == Py_None) {
        RecyclingScope recycling(is_large(reinterpret_cast<PyObject*>(q)));
        gradient = PyArray_NewLikeArray(q, NPY_CORDER, nullptr, 0);
        if (!gradient) {
            Py_DECREF(loss);
            return nullptr;
        }
    } else {
        Py_INCREF(gradient);
    }
    losses.write_slopes(static_cast<T*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(gradient))),
                        T(0.0 - 1.0 / divisor));
    return Py_BuildValue("(NN)", loss, gradient);
}

inline PyObject* class_loss_or_none(PyObject* q_object, PyObject* labels_object, PyObject* axis_object,
                                    PyObject* reduction, PyObject* out) {
    if (!PyArray_CheckExact(q_object) || !PyArray_CheckExact(labels_object) || !PyLong_CheckExact(axis_object) ||
        !PyUnicode_CheckExact(reduction))
        Py_RETURN_NONE;
    auto *q = reinterpret_cast<PyArrayObject*>(q_object), *labels = reinterpret_cast<PyArrayObject*>(labels_object);
    int type = PyArray_TYPE(q), dimensions = PyArray_NDIM(q);
    bool frequent = (type == NPY_FLOAT || type == NPY_DOUBLE) && PyArray_TYPE(labels) == NPY_INT64 &&
                    PyArray_IS_C_CONTIGUOUS(q) && PyArray_IS_C_CONTIGUOUS(labels) && PyArray_ISBEHAVED_RO(q) &&
                    PyArray_ISBEHAVED_RO(labels) && PyArray_SIZE(labels) > 0;
    int overflow = 0;
    long axis = PyLong_AsLongAndOverflow(axis_object, &overflow);
    if (axis < 0) axis += dimensions;
    frequent = frequent && !overflow && axis >= 0 && axis < dimensions && PyArray_NDIM(labels) == dimensions - 1;
    for (int k = 0; frequent && k < dimensions - 1; ++k)
        frequent = PyArray_DIM(labels, k) == PyArray_DIM(q, k < axis ? k : k + 1);
    if (frequent && out && out != Py_None) {
        auto* to = reinterpret_cast<PyArrayObject*>(out);
        frequent = PyArray_CheckExact(out) && PyArray_TYPE(to) == type && PyArray_SAMESHAPE(to, q) &&
                   PyArray_IS_C_CONTIGUOUS(to) && PyArray_ISBEHAVED(to) && !share_memory(to, labels);
    }
    if (!frequent) Py_RETURN_NONE;
    return type == NPY_FLOAT ? class_loss_of<float>(q, labels, int(axis), reduction, out)
                             : class_loss_of<double>(q, labels, int(axis), reduction, out);
}

inline PyObject* class_loss(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "class_loss needs 4 arguments");
    return class_loss_or_none(arguments[0], arguments[1], arguments[2], arguments[3], nullptr);
}
inline PyObject* class_loss_and_grad(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 5) return PyErr_Format(PyExc_TypeError, "class_loss_and_grad needs 5 arguments");
    return class_loss_or_none(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
}

}  // namespace softfloor
