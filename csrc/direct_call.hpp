// A call on small plain arrays, straight to the kernel: NumPy's ufunc takes some 200 ns to find out what is checked
// here in a few comparisons. Same results, same arrays: exact ndarrays of one dtype and one shape, C-contiguous, in
// native byte order; new outputs, or given ones that share no memory but an input's own. All else is for the ufunc to
// say.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

#include "address_call.hpp"
#include "memory_handler.hpp"
#include "plain_arrays.hpp"

namespace softfloor {

// The loops of a ufunc, by dtype, or null if it is no elementwise one of ours.
inline const ElementwiseLoop* loops_of(PyObject* ufunc) {
    if (!PyObject_TypeCheck(ufunc, &PyUFunc_Type)) return nullptr;
    auto* own = reinterpret_cast<PyUFuncObject*>(ufunc);
    if (own->ntypes == 0 || own->functions[0] != elementwise_loop) return nullptr;
    auto* first = static_cast<const ElementwiseLoop*>(own->data[0]);
    return first - first->dtype;
}

class DirectCall {
  public:
    // Null without an error: this call is for the ufunc.
    static PyObject* result(const ElementwiseLoop* loops, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
        DirectCall call;
        PyObject* out = nullptr;
        if (keywords && PyTuple_GET_SIZE(keywords)) {
            if (PyTuple_GET_SIZE(keywords) > 1 || !is_out(PyTuple_GET_ITEM(keywords, 0))) return nullptr;
            out = args[count];
        }
        if (count != loops->inputs || !call.take_inputs(args, count)) return nullptr;
        if (out && !call.take_outputs(out, loops->outputs)) return nullptr;
        return call.compute(loops, out);
    }

  private:
    PyArrayObject* like = nullptr;  // the first operand
    PyArrayObject* arrays[maximum_operands];
    int taken = 0;
    PlainDtype own;

    static bool is_out(PyObject* name) { return PyUnicode_CompareWithASCIIString(name, "out") == 0; }

    PyArrayObject* plain(PyObject* operand) const {
        PyArrayObject* array = plain_array(operand);
        return !array || !like || (own.describes(array) && PyArray_SAMESHAPE(array, like)) ? array : nullptr;
    }
    bool take_inputs(PyObject* const* args, Py_ssize_t count) {
        for (Py_ssize_t k = 0; k < count; ++k) {
            PyArrayObject* array = plain(args[k]);
            if (!array) return false;
            arrays[taken++] = array;
            if (like) continue;
            like = array;  // 0-d operands give scalars; large results come from recycled memory
            if (PyArray_NDIM(array) == 0 || PyArray_NBYTES(array) >= large_operand || !own.set(array)) return false;
        }
        return true;
    }
    bool take_outputs(PyObject* out, int outputs) {
        bool several = PyTuple_CheckExact(out);
        if ((several ? PyTuple_GET_SIZE(out) : 1) != outputs) return false;
        int inputs = taken;
        for (int k = 0; k < outputs; ++k) {
            PyArrayObject* array = plain(several ? PyTuple_GET_ITEM(out, k) : out);
            if (!array || !can_be_written(array)) return false;
            for (int j = 0; j < taken; ++j) {
                bool is_input = j < inputs && PyArray_BYTES(array) == PyArray_BYTES(arrays[j]);
                if (!is_input && share_memory(array, arrays[j])) return false;
            }
            arrays[taken++] = array;
        }
        return true;
    }
    PyObject* compute(const ElementwiseLoop* loops, PyObject* out) {
        int inputs = loops->inputs, outputs = loops->outputs;
        for (int k = 0; k < outputs; ++k) {
            if (out) {
                Py_INCREF(arrays[inputs + k]);
                continue;
            }
            arrays[inputs + k] = own.make(PyArray_NDIM(like), PyArray_DIMS(like));
            if (!arrays[inputs + k]) {
                for (int j = 0; j < k; ++j) Py_DECREF(arrays[inputs + j]);
                return nullptr;
            }
        }
        char* memory[maximum_operands];
        for (int k = 0; k < inputs + outputs; ++k) memory[k] = PyArray_BYTES(arrays[k]);
        run_contiguous(loops[own.dtype], memory, PyArray_SIZE(like));
        if (outputs == 1) return reinterpret_cast<PyObject*>(arrays[inputs]);
        PyObject* results = PyTuple_New(outputs);
        for (int k = 0; k < outputs; ++k) {
            if (results) PyTuple_SET_ITEM(results, k, reinterpret_cast<PyObject*>(arrays[inputs + k]));
            else Py_DECREF(arrays[inputs + k]);
        }
        return results;
    }
};

}  // namespace softfloor
