// A kernel, its parameters at their defaults, on contiguous memory that is given by addresses: for the arrays of other
// libraries, where making a NumPy array of each operand would take longer than a small call.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ufunc.hpp"

namespace softfloor {

struct AddressLoops {
    ElementwiseLoop* of_dtype[dtype_count];
};
constexpr const char* address_loops_name = "softfloor._core.AddressLoops";

// call(dtype, n, address, ...): inputs, then outputs, each of n elements; dtype counts float16, bfloat16, float32,
// float64. Addresses are the caller's word.
inline PyObject* call_at_addresses(PyObject* capsule, PyObject* const* args, Py_ssize_t count) {
    auto* all = static_cast<AddressLoops*>(PyCapsule_GetPointer(capsule, address_loops_name));
    if (!all) return nullptr;
    const ElementwiseLoop& any = *all->of_dtype[0];
    int operands = any.inputs + any.outputs;
    if (count != 2 + operands)
        return PyErr_Format(PyExc_TypeError, "expected dtype, length and %d addresses; got %zd arguments", operands,
                            count);
    long dtype = PyLong_AsLong(args[0]);
    npy_intp n = PyLong_AsSsize_t(args[1]);
    if (PyErr_Occurred()) return nullptr;
    if (dtype < 0 || dtype >= dtype_count || n < 0) return PyErr_Format(PyExc_ValueError, "no such dtype or length");
    char* memory[maximum_operands];
    npy_intp steps[maximum_operands];
    for (int k = 0; k < operands; ++k) {
        memory[k] = static_cast<char*>(PyLong_AsVoidPtr(args[2 + k]));
        if (!memory[k] && n) return PyErr_Occurred() ? nullptr : PyErr_Format(PyExc_ValueError, "an address is 0");
        steps[k] = npy_intp(itemsizes[dtype]);
    }
    PyThreadState* state = n > too_few_to_let_others_run ? PyEval_SaveThread() : nullptr;
    elementwise_loop(memory, &n, steps, all->of_dtype[dtype]);
    if (state) PyEval_RestoreThread(state);
    Py_RETURN_NONE;
}

// The callable, for the elementwise kernel of that index.
inline PyObject* make_address_call(int index) {
    static PyMethodDef definition = {
        "call", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_at_addresses)), METH_FASTCALL,
        "call(dtype, n, address, ...): the kernel on n contiguous elements of each operand."};
    const ElementwiseEntry& entry = current_table().elementwise[index];
    auto* all = new AddressLoops;  // lives as long as the process, as ufuncs do
    for (int dtype = 0; dtype < dtype_count; ++dtype)
        all->of_dtype[dtype] = new ElementwiseLoop{index, Dtype(dtype), entry.inputs - entry.parameters, entry.outputs,
                                                   entry.parameters > 0};
    PyObject* capsule = PyCapsule_New(all, address_loops_name, nullptr);
    PyObject* call = capsule ? PyCFunction_New(&definition, capsule) : nullptr;
    Py_XDECREF(capsule);
    return call;
}

}  // namespace softfloor
