// Functions along an axis of plain arrays, straight to their kernels: NumPy takes 700 ns to reach the loop of a gufunc,
// and Python as long to find out what is checked here. Same results, same arrays.
#pragma once
#include "address_call.hpp"
#include "gufunc.hpp"
#include "row_arguments.hpp"

namespace softfloor {

inline void row_loop_or_error(char** args, const npy_intp* dimensions, const npy_intp* steps, void* data) {
    if (row_loop(args, dimensions, steps, data)) return;
    PyGILState_STATE state = PyGILState_Ensure();
    PyErr_NoMemory();
    PyGILState_Release(state);
}

// The loops of a gufunc, by dtype, or null with an error if it is none of ours.
inline const RowLoop* row_loops_of(PyObject* gufunc) {
    auto* own = reinterpret_cast<PyUFuncObject*>(gufunc);
    if (!PyObject_TypeCheck(gufunc, &PyUFunc_Type) || own->ntypes == 0 || own->functions[0] != row_loop_or_error) {
        PyErr_SetString(PyExc_TypeError, "not a gufunc of softfloor");
        return nullptr;
    }
    auto* first = static_cast<const RowLoop*>(own->data[0]);
    return first - first->dtype;
}

// Runs a loop over rows that lie so. An operand that is no row has a number per row, or is in `common`: one for all.
// False, with an error, if there was no memory. Other Python threads go on meanwhile, unless it takes some microseconds
// only.
inline bool run_rows(const RowLoop& loop, const RowLayout& layout, char* const* memory, unsigned common = 0) {
    constexpr npy_intp too_few_to_let_others_run = 2000;
    // Rows of one call are neighbours; along the last axis there are none, and all rows are of one call.
    bool neighbours = layout.inner > 1;
    npy_intp calls = neighbours ? layout.outer : 1, steps[2 * maximum_row_operands], call_steps[maximum_row_operands];
    for (int k = 0, core = loop.operands(); k < loop.operands(); ++k) {
        npy_intp size = common >> k & 1 ? 0 : npy_intp(loop.sizes[k]);
        npy_intp outer_step = layout.inner * size * (loop.is_row[k] ? layout.n : 1);
        steps[k] = neighbours ? size : outer_step;
        call_steps[k] = outer_step;
        if (loop.is_row[k]) steps[core++] = layout.inner * npy_intp(loop.sizes[k]);
    }
    PyThreadState* state = layout.rows() * layout.n > too_few_to_let_others_run ? PyEval_SaveThread() : nullptr;
    bool complete = run_row_calls(
        {loop, memory, size_t(calls), size_t(layout.rows() / calls), size_t(layout.n), steps, call_steps});
    if (state) PyEval_RestoreThread(state);
    if (!complete) PyErr_NoMemory();
    return complete;
}

constexpr const char* row_loops_name = "softfloor._core.RowLoop";

// call(array, ..., axis=-1, *, temperature=1.0, keepdims=False, out=None): arrays for the operands of the function's
// dtype. None where that is for Python.
inline PyObject* call_rows(PyObject* capsule, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    auto* loops = static_cast<const RowLoop*>(PyCapsule_GetPointer(capsule, row_loops_name));
    if (!loops) return nullptr;
    const char* types = current_table().rows[loops->index].types;
    int inputs = loops->inputs, given = 0;
    for (int k = 0; k < inputs; ++k) given += types[k] == 'T';
    RowArguments arguments;
    unsigned names = RowArguments::with_axis | RowArguments::with_out;
    bool is_row = loops->is_row[inputs];
    if (given < inputs) names |= RowArguments::with_temperature;
    if (!is_row) names |= RowArguments::with_keepdims;
    auto take = [&](std::initializer_list<RareOption> options) {
        return arguments.take(args, count, keywords, given, names, options);
    };
    bool is_value = given == 1, is_vjp_of_rows = given == 2 && !loops->is_row[inputs - 1] && types[inputs - 1] == 'T';
    bool is_taken = is_value ? take({{"where"}, {"dtype"}}) : is_vjp_of_rows ? take({{"where"}}) : take({});
    if (!is_taken) Py_RETURN_NONE;

    PyArrayObject* first = plain_array(args[0]);
    PlainDtype own;
    RowLayout layout;
    if (!first || !own.set(first) || !layout.set(first, arguments.axis, true)) Py_RETURN_NONE;
    double temperature = 1.0;
    if (arguments.temperature && !take_number(arguments.temperature, temperature)) Py_RETURN_NONE;
    if (!(temperature > 0 && temperature < Py_HUGE_VAL)) Py_RETURN_NONE;
    PyArrayObject* arrays[maximum_row_operands] = {};
    char* memory[maximum_row_operands];
    unsigned common = 0;
    for (int k = 0, next = 0; k < inputs; ++k) {
        if (types[k] != 'T') {
            memory[k] = reinterpret_cast<char*>(&temperature);
            common |= 1u << k;
            continue;
        }
        PyArrayObject* array = arrays[k] = plain_array(args[next++]);
        if (!array || !own.describes(array)) Py_RETURN_NONE;
        if (loops->is_row[k] ? !PyArray_SAMESHAPE(array, first) : !layout.has_one_per_row(array)) Py_RETURN_NONE;
        memory[k] = PyArray_BYTES(array);
    }
    if (arguments.keepdims == Py_True && !arguments.out) layout.keep_axes();
    else if (arguments.keepdims && arguments.keepdims != Py_False) Py_RETURN_NONE;
    int dimensions = is_row ? PyArray_NDIM(first) : layout.dimensions;
    npy_intp* shape = is_row ? PyArray_DIMS(first) : layout.shape;
    PyArrayObject* result;
    if (arguments.out) {
        result = take_output(arguments.out, own, dimensions, shape, arrays, inputs);
        if (!result) Py_RETURN_NONE;
        Py_INCREF(result);
    } else {
        RecyclingScope recycling(PyArray_NBYTES(first) >= large_operand);
        result = own.make(dimensions, shape);
        if (!result) return nullptr;
    }
    memory[inputs] = PyArray_BYTES(result);
    if (!run_rows(loops[own.dtype], layout, memory, common)) {
        Py_DECREF(result);
        return nullptr;
    }
    return arguments.out ? reinterpret_cast<PyObject*>(result) : PyArray_Return(result);
}

// The callable, for a gufunc of one output.
inline PyObject* direct_rows(PyObject*, PyObject* gufunc) {
    static PyMethodDef definition = {"call", as_method(call_rows), METH_FASTCALL | METH_KEYWORDS,
                                     "call(array, ..., axis=-1, *, temperature=1.0, out=None), or None."};
    const RowLoop* loops = row_loops_of(gufunc);
    PyObject* capsule = loops ? PyCapsule_New(const_cast<RowLoop*>(loops), row_loops_name, nullptr) : nullptr;
    PyObject* call = capsule ? PyCFunction_New(&definition, capsule) : nullptr;
    Py_XDECREF(capsule);
    return call;
}

}  // namespace softfloor
