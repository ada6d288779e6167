// A kernel, its parameters at their defaults, on contiguous memory that is given by addresses: for the arrays of other
// libraries, where making a NumPy array of each operand would take longer than a small call.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ufunc.hpp"

namespace softfloor {

// Runs a loop on contiguous memory. Other Python threads go on meanwhile, unless it takes some microseconds only.
inline void run_contiguous(const ElementwiseLoop& loop, char** memory, npy_intp n) {
    constexpr npy_intp too_few_to_let_others_run = 2000;
    npy_intp steps[maximum_operands];
    for (int k = 0; k < loop.inputs + loop.outputs; ++k) steps[k] = npy_intp(itemsizes[loop.dtype]);
    PyThreadState* state = n > too_few_to_let_others_run ? PyEval_SaveThread() : nullptr;
    elementwise_loop(memory, &n, steps, const_cast<ElementwiseLoop*>(&loop));  // ufuncs hand it on without const
    if (state) PyEval_RestoreThread(state);
}

// What METH_FASTCALL takes is cast twice: the types differ, as Python wants it.
template <class Function> PyCFunction as_method(Function* function) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

constexpr const char* loops_name = "softfloor._core.ElementwiseLoop";

// call(dtype, n, address, ...): inputs, then outputs, each of n elements; dtype counts float16, bfloat16, float32,
// float64. Addresses are the caller's word.
inline PyObject* call_at_addresses(PyObject* capsule, PyObject* const* args, Py_ssize_t count) {
    auto* loops = static_cast<ElementwiseLoop*>(PyCapsule_GetPointer(capsule, loops_name));
    if (!loops) return nullptr;
    int operands = loops->inputs + loops->outputs;
    if (count != 2 + operands)
        return PyErr_Format(PyExc_TypeError, "expected dtype, length and %d addresses; got %zd arguments", operands,
                            count);
    long dtype = PyLong_AsLong(args[0]);
    npy_intp n = PyLong_AsSsize_t(args[1]);
    if (PyErr_Occurred()) return nullptr;
    if (dtype < 0 || dtype >= dtype_count || n < 0) return PyErr_Format(PyExc_ValueError, "no such dtype or length");
    char* memory[maximum_operands];
    for (int k = 0; k < operands; ++k) {
        memory[k] = static_cast<char*>(PyLong_AsVoidPtr(args[2 + k]));
        if (!memory[k] && n) return PyErr_Occurred() ? nullptr : PyErr_Format(PyExc_ValueError, "an address is 0");
    }
    run_contiguous(loops[dtype], memory, n);
    Py_RETURN_NONE;
}

// The callable, for the elementwise kernel of that index.
inline PyObject* make_address_call(int index) {
    static PyMethodDef definition = {
        "call", as_method(call_at_addresses), METH_FASTCALL,
        "call(dtype, n, address, ...): the kernel on n contiguous elements of each operand."};
    ElementwiseLoop* loops = new_loops(index, current_table().elementwise[index].parameters > 0);
    PyObject* capsule = PyCapsule_New(loops, loops_name, nullptr);
    PyObject* call = capsule ? PyCFunction_New(&definition, capsule) : nullptr;
    Py_XDECREF(capsule);
    return call;
}

}  // namespace softfloor
