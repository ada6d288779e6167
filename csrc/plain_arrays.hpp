// Arrays that kernels take as they are, without NumPy in between.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <numpy/arrayobject.h>

#include "kernels.hpp"
#include "math/narrow.hpp"

namespace softfloor {

inline int bfloat16_type = NPY_NOTYPE;  // known once ml_dtypes is imported

// An exact ndarray, C-contiguous and aligned, or null.
inline PyArrayObject* plain_array(PyObject* operand) {
    constexpr int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
    if (!PyArray_CheckExact(operand)) return nullptr;
    auto* array = reinterpret_cast<PyArrayObject*>(operand);
    return (PyArray_FLAGS(array) & flags) == flags ? array : nullptr;
}

// Writing to what np.broadcast_arrays returned is deprecated; NumPy's flag for it is in no header.
inline bool can_be_written(PyArrayObject* array) {
    constexpr int warns_on_write = int(1u << 31);
    return PyArray_ISWRITEABLE(array) && !(PyArray_FLAGS(array) & warns_on_write);
}

// The dtype that NumPy makes itself, or a copy of it, as unpickled arrays have: native, and without metadata, which
// ufuncs keep.
struct PlainDtype {
    Dtype dtype = float32;
    PyArray_Descr* description = nullptr;  // NumPy keeps it

    // False if the array's is none of those that kernels compute in.
    bool set(PyArrayObject* array) {
        int type = PyArray_TYPE(array);
        if (type == NPY_FLOAT) dtype = float32;
        else if (type == NPY_DOUBLE) dtype = float64;
        else if (type == NPY_HALF) dtype = float16;
        else if (type == bfloat16_type && type != NPY_NOTYPE) dtype = bfloat16;
        else return false;
        description = PyArray_DescrFromType(type);
        Py_DECREF(description);
        return describes(array);
    }
    bool describes(PyArrayObject* array) const {
        PyArray_Descr* own = PyArray_DESCR(array);
        return own == description ||
               (own->type_num == description->type_num && PyArray_ISNOTSWAPPED(array) && !PyDataType_METADATA(own));
    }
    // A new array, or null with an error.
    PyArrayObject* make(int dimensions, npy_intp* shape) const {
        Py_INCREF(description);
        PyObject* made =
            PyArray_NewFromDescr(&PyArray_Type, description, dimensions, shape, nullptr, nullptr, 0, nullptr);
        return reinterpret_cast<PyArrayObject*>(made);
    }
};

// body(T()) for the type of the numbers of a dtype.
template <class Body> auto with_type(Dtype dtype, Body body) {
    if (dtype == float16) return body(Float16());
    if (dtype == bfloat16) return body(Bfloat16());
    return dtype == float32 ? body(float()) : body(double());
}

}  // namespace softfloor
