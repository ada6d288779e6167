// NumPy's hook for the memory of arrays, set around calls whose results are large and at no other time.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <numpy/arrayobject.h>

#include "memory.hpp"

namespace softfloor {

// The capsule that NumPy keeps in each array it made with this handler, to free it by.
inline PyObject* memory_handler() {
    static PyDataMem_Handler handler = {
        "softfloor",
        1,
        {nullptr, [](void*, size_t size) { return allocate(size); },
         [](void*, size_t count, size_t size) -> void* {
             size_t bytes;
             return __builtin_mul_overflow(count, size, &bytes) ? nullptr : allocate_zeroed(bytes);
         },
         [](void*, void* memory, size_t size) { return reallocate(memory, size); },
         [](void*, void* memory, size_t) { release(memory); }}};
    static PyObject* capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
    return capsule;
}

// Setting the hook costs as much as a small call. Where an operand is smaller than this, so are most results.
constexpr npy_intp large_operand = npy_intp(1) << 20;

inline bool is_large(PyObject* operand) {
    return PyArray_CheckExact(operand) && PyArray_NBYTES(reinterpret_cast<PyArrayObject*>(operand)) >= large_operand;
}

inline bool share_memory(PyArrayObject* a, PyArrayObject* b) {  // of contiguous arrays
    const char *first = PyArray_BYTES(a), *second = PyArray_BYTES(b);
    return first < second + PyArray_NBYTES(b) && second < first + PyArray_NBYTES(a);
}

// While it exists, arrays that this thread (this context) makes are from the recycling allocator.
class RecyclingScope {
    PyObject* before = nullptr;

  public:
    explicit RecyclingScope(bool wanted) {
        if (!wanted || memory_limits().bytes == 0 || !memory_handler()) return;
        before = PyDataMem_SetHandler(memory_handler());
        if (!before) PyErr_Clear();  // then the result comes from NumPy's own allocator
    }
    ~RecyclingScope() {
        if (!before) return;
        PyObject *type, *error, *traceback;
        PyErr_Fetch(&type, &error, &traceback);
        PyObject* ours = PyDataMem_SetHandler(before);
        Py_XDECREF(ours);
        Py_DECREF(before);
        PyErr_Restore(type, error, traceback);
    }
    RecyclingScope(const RecyclingScope&) = delete;
    RecyclingScope& operator=(const RecyclingScope&) = delete;
};

}  // namespace softfloor
