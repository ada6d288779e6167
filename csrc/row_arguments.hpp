// What functions along an axis are called with, where it is nothing rare: plain arrays, one axis or all, a temperature,
// a reduction, an output. All else, and every message, is for Python.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>

#include "memory_handler.hpp"
#include "plain_arrays.hpp"

namespace softfloor {

// An option that is for Python, unless it is the default: None, or where it must be a number 0.
struct RareOption {
    const char* name;
    bool is_number = false;

    bool is_default(PyObject* value) const {
        return is_number ? PyFloat_CheckExact(value) && PyFloat_AS_DOUBLE(value) == 0.0 : value == Py_None;
    }
};

// Null: not given, or None where that is the default.
struct RowArguments {
    static constexpr unsigned with_axis = 1, with_temperature = 2, with_keepdims = 4, with_reduction = 8, with_out = 16,
                              with_ignore_index = 32;
    PyObject *axis = nullptr, *temperature = nullptr, *keepdims = nullptr, *reduction = nullptr, *out = nullptr,
             *ignore_index = nullptr;

    // False if there is anything but `operands` by position, the axis after them, the others by name, and options at
    // their defaults.
    bool take(PyObject* const* args, Py_ssize_t count, PyObject* keywords, Py_ssize_t operands, unsigned names,
              std::initializer_list<RareOption> options) {
        if (count < operands || count > operands + (names & with_axis ? 1 : 0)) return false;
        if (count > operands) axis = args[operands];
        for (Py_ssize_t k = 0; keywords && k < PyTuple_GET_SIZE(keywords); ++k) {
            PyObject *name = PyTuple_GET_ITEM(keywords, k), *value = args[count + k];
            PyObject** place = place_of(name, names);
            if (place ? *place != nullptr : !is_default(name, value, options)) return false;
            if (place) *place = value;
        }
        if (out == Py_None) out = nullptr;
        if (ignore_index == Py_None) ignore_index = nullptr;
        return true;
    }

  private:
    static bool is_default(PyObject* name, PyObject* value, std::initializer_list<RareOption> options) {
        for (const RareOption& option : options)
            if (PyUnicode_CompareWithASCIIString(name, option.name) == 0) return option.is_default(value);
        return false;
    }
    PyObject** place_of(PyObject* name, unsigned names) {
        auto is = [&](const char* text, unsigned known) {
            return (names & known) && PyUnicode_CompareWithASCIIString(name, text) == 0;
        };
        return is("axis", with_axis)                   ? &axis
               : is("out", with_out)                   ? &out
               : is("temperature", with_temperature)   ? &temperature
               : is("keepdims", with_keepdims)         ? &keepdims
               : is("reduction", with_reduction)       ? &reduction
               : is("ignore_index", with_ignore_index) ? &ignore_index
                                                       : nullptr;
    }
};

// How the rows of a C-contiguous array lie: entry i of row (a, b) is at (a n + i) inner + b.
struct RowLayout {
    npy_intp outer = 1, n = 1, inner = 1;
    int dimensions = 0;  // of a result per row, and its shape
    npy_intp shape[NPY_MAXDIMS];
    int axis = 0, axes = 1;  // the rows'

    // False if there is no such axis, or nothing to compute. What is given may be null: the last; or None: all, if
    // allowed.
    bool set(PyArrayObject* array, PyObject* given, bool all_allowed) {
        int all = PyArray_NDIM(array);
        if (all == 0) return false;
        if (given == Py_None) {
            n = PyArray_SIZE(array);
            axes = all;
            return all_allowed && n > 0;
        }
        int overflow = 0;
        long place = -1;
        if (given) {
            if (!PyLong_CheckExact(given)) return false;
            place = PyLong_AsLongAndOverflow(given, &overflow);
        }
        if (place < 0) place += all;
        if (overflow || place < 0 || place >= all) return false;
        for (int k = 0; k < all; ++k) {
            npy_intp length = PyArray_DIM(array, k);
            if (k == place) n = length;
            else shape[dimensions++] = length;
            (k < place ? outer : inner) *= k == place ? 1 : length;
        }
        axis = int(place);
        return n > 0 && rows() > 0;
    }
    npy_intp rows() const { return outer * inner; }
    // Axes of length 1 where the rows were.
    void keep_axes() {
        std::copy_backward(shape + axis, shape + dimensions, shape + dimensions + axes);
        std::fill_n(shape + axis, axes, 1);
        dimensions += axes;
    }
    bool has_one_per_row(PyArrayObject* array) const {
        return PyArray_NDIM(array) == dimensions && PyArray_CompareLists(PyArray_DIMS(array), shape, dimensions);
    }
};

// A number of Python's own, or a float64; an error is left to Python: false.
inline bool take_number(PyObject* object, double& number) {
    if (!PyFloat_Check(object) && !PyLong_CheckExact(object)) return false;
    number = PyFloat_AsDouble(object);
    if (!PyErr_Occurred()) return true;
    PyErr_Clear();
    return false;
}

// An array of that shape to write to, whose memory none of the inputs shares; null if that is for Python.
inline PyArrayObject* take_output(PyObject* out, const PlainDtype& own, int dimensions, npy_intp* shape,
                                  PyArrayObject* const* inputs, int count) {
    PyArrayObject* array = plain_array(out);
    if (!array || !own.describes(array) || !can_be_written(array) || PyArray_NDIM(array) != dimensions ||
        !PyArray_CompareLists(PyArray_DIMS(array), shape, dimensions))
        return nullptr;
    for (int k = 0; k < count; ++k)
        if (inputs[k] && share_memory(array, inputs[k])) return nullptr;
    return array;
}

struct Reduction {
    bool none = false, mean = true;

    bool take(PyObject* name) {
        if (!name) return true;
        if (!PyUnicode_CheckExact(name)) return false;
        auto is = [&](const char* text) { return PyUnicode_CompareWithASCIIString(name, text) == 0; };
        none = is("none");
        mean = is("mean");
        return none || mean || is("sum");
    }
    double divisor(npy_intp count) const { return mean ? double(count) : 1.0; }
};

// Class labels: an int64 per row, or for a single row an integer. Rows to ignore have -1, and are not kept.
struct ClassLabels {
    PyArrayObject* array = nullptr;  // null for an integer
    const int64_t* labels = nullptr;
    npy_intp kept = 0;

    // False if that is for Python, as labels outside [0, classes) are.
    bool take(PyObject* object, const RowLayout& layout, PyObject* ignore_index) {
        kept = layout.rows();
        if (PyLong_CheckExact(object) || PyArray_IsScalar(object, Integer)) {
            if (layout.dimensions != 0 || !take_integer(object, single)) return false;
            labels = &single;
        } else {
            array = plain_array(object);
            if (!array || PyArray_TYPE(array) != NPY_INT64 || !PyArray_ISNOTSWAPPED(array) ||
                !layout.has_one_per_row(array))
                return false;
            labels = static_cast<const int64_t*>(PyArray_DATA(array));
        }
        int64_t ignored = -1;
        if (ignore_index && (!PyLong_CheckExact(ignore_index) || !take_integer(ignore_index, ignored))) return false;
        bool may_be_inside = ignored >= 0 && ignored < layout.n;
        if (!may_be_inside && are_inside(layout)) return true;
        return ignore_index && ignore(ignored, layout);
    }

  private:
    int64_t single = 0;
    std::unique_ptr<int64_t[]> marked;

    static bool take_integer(PyObject* object, int64_t& number) {
        PyObject* index = PyNumber_Index(object);
        int overflow = 1;
        if (index) number = PyLong_AsLongLongAndOverflow(index, &overflow);
        else PyErr_Clear();  // a timedelta is such a scalar, too
        Py_XDECREF(index);
        return !overflow;
    }
    bool are_inside(const RowLayout& layout) const {
        uint64_t outside = 0, last = uint64_t(layout.n) - 1;
        for (npy_intp p = 0; p < layout.rows(); ++p) outside |= uint64_t(labels[p]) | (last - uint64_t(labels[p]));
        return !(outside >> 63);
    }
    bool ignore(int64_t ignored, const RowLayout& layout) {
        marked.reset(new (std::nothrow) int64_t[size_t(layout.rows())]);
        if (!marked) return false;
        for (npy_intp p = 0; p < layout.rows(); ++p) {
            bool is_ignored = labels[p] == ignored;
            if (!is_ignored && (labels[p] < 0 || labels[p] >= layout.n)) return false;
            marked[size_t(p)] = is_ignored ? -1 : labels[p];
            kept -= is_ignored;
        }
        labels = marked.get();
        return true;
    }
};

}  // namespace softfloor
