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

namespace softfloor {

inline int bfloat16_type = NPY_NOTYPE;  // known once ml_dtypes is imported

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
    Dtype dtype = float32;
    PyArray_Descr* description = nullptr;

    // Writing to what np.broadcast_arrays returned is deprecated; NumPy's flag for it is in no header.
    static constexpr int warns_on_write = int(1u << 31);

    static bool is_out(PyObject* name) { return PyUnicode_CompareWithASCIIString(name, "out") == 0; }

    // The dtype that NumPy makes itself, or a copy of it, as unpickled arrays have; none with metadata, which ufuncs
    // keep.
    bool is_described(PyArrayObject* array) const {
        PyArray_Descr* own = PyArray_DESCR(array);
        return own == description ||
               (own->type_num == description->type_num && PyArray_ISNOTSWAPPED(array) && !PyDataType_METADATA(own));
    }
    bool know_dtype() {
        int type = PyArray_TYPE(like);
        if (type == NPY_FLOAT) dtype = float32;
        else if (type == NPY_DOUBLE) dtype = float64;
        else if (type == NPY_HALF) dtype = float16;
        else if (type == bfloat16_type && type != NPY_NOTYPE) dtype = bfloat16;
        else return false;
        description = PyArray_DescrFromType(type);
        Py_DECREF(description);  // NumPy keeps it
        return is_described(like);
    }
    PyArrayObject* plain(PyObject* operand) const {
        constexpr int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
        if (!PyArray_CheckExact(operand)) return nullptr;
        auto* array = reinterpret_cast<PyArrayObject*>(operand);
        if ((PyArray_FLAGS(array) & flags) != flags) return nullptr;
        return !like || (is_described(array) && PyArray_SAMESHAPE(array, like)) ? array : nullptr;
    }
    bool take_inputs(PyObject* const* args, Py_ssize_t count) {
        for (Py_ssize_t k = 0; k < count; ++k) {
            PyArrayObject* array = plain(args[k]);
            if (!array) return false;
            arrays[taken++] = array;
            if (like) continue;
            like = array;  // 0-d operands give scalars; large results come from recycled memory
            if (PyArray_NDIM(array) == 0 || PyArray_NBYTES(array) >= large_operand || !know_dtype()) return false;
        }
        return true;
    }
    bool take_outputs(PyObject* out, int outputs) {
        bool several = PyTuple_CheckExact(out);
        if ((several ? PyTuple_GET_SIZE(out) : 1) != outputs) return false;
        int inputs = taken;
        for (int k = 0; k < outputs; ++k) {
            PyArrayObject* array = plain(several ? PyTuple_GET_ITEM(out, k) : out);
            if (!array || !PyArray_ISWRITEABLE(array) || (PyArray_FLAGS(array) & warns_on_write)) return false;
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
            Py_INCREF(description);
            PyObject* made = PyArray_NewFromDescr(&PyArray_Type, description, PyArray_NDIM(like), PyArray_DIMS(like),
                                                  nullptr, nullptr, 0, nullptr);
            if (!made) {
                for (int j = 0; j < k; ++j) Py_DECREF(arrays[inputs + j]);
                return nullptr;
            }
            arrays[inputs + k] = reinterpret_cast<PyArrayObject*>(made);
        }
        char* memory[maximum_operands];
        for (int k = 0; k < inputs + outputs; ++k) memory[k] = PyArray_BYTES(arrays[k]);
        run_contiguous(loops[dtype], memory, PyArray_SIZE(like));
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
