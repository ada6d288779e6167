// UfuncCall: a callable that passes its arguments to a ufunc, with keyword parameters (beta=1.0) turned into operands.
// In C because it stands before every call: the detour costs a few dozen nanoseconds instead of a Python frame.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "direct_call.hpp"

namespace softfloor {

struct UfuncCall {
    PyObject_HEAD vectorcallfunc vectorcall;
    PyObject* ufunc;
    PyObject* at_defaults;  // the ufunc without operands for the parameters, or None; called where none is given
    PyObject* parameters;   // names, a tuple of interned str
    PyObject* defaults;     // their default values
    // recover(call, exception, args, kwargs): a result after all, a clearer error, or None. Without an exception,
    // before the ufunc is called: a result in its place, or None.
    PyObject* recover;
    Py_ssize_t required;           // operands before the parameters
    int wide;                      // whether parameters are float32 beside half precision
    const ElementwiseLoop* loops;  // of a call without parameters, by dtype, or null
    PyObject* dictionary;
    PyObject* weak_references;
};

// New reference; None if Python has nothing to say, null with an error if it raised.
inline PyObject* ask_python(UfuncCall* self, PyObject* error, PyObject* const* args, Py_ssize_t count,
                            PyObject* keywords) {
    PyObject* positional = PyTuple_New(count);
    for (Py_ssize_t i = 0; positional && i < count; ++i) PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
    PyObject* named = PyDict_New();
    for (Py_ssize_t i = 0; named && keywords && i < PyTuple_GET_SIZE(keywords); ++i)
        PyDict_SetItem(named, PyTuple_GET_ITEM(keywords, i), args[count + i]);
    PyObject* result = PyObject_CallFunctionObjArgs(self->recover, self, error, positional, named, nullptr);
    Py_XDECREF(positional);
    Py_XDECREF(named);
    return result;
}

inline PyObject* recover_from_error(UfuncCall* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    if (!self->recover || self->recover == Py_None) return nullptr;
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback) PyException_SetTraceback(error, traceback);
    PyObject* result = ask_python(self, error, args, count, keywords);
    if (result == Py_None) {  // nothing better to say
        Py_DECREF(result);
        PyErr_Restore(type, error, traceback);
        return nullptr;
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return result;
}

// Whether one is an object of a class written in Python, which may have a way of its own with ufuncs, beside others or
// with keywords: with nothing else, every way gives the same.
inline bool may_be_containers(PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    Py_ssize_t all = count + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
    if (all < 2) return false;
    for (Py_ssize_t i = 0; i < all; ++i)
        if (PyType_HasFeature(Py_TYPE(args[i]), Py_TPFLAGS_HEAPTYPE)) return true;
    return false;
}

// The place of a keyword among the parameters, or their number if it is none of them.
inline Py_ssize_t parameter_place(const UfuncCall* self, PyObject* name) {
    Py_ssize_t place = 0, count = PyTuple_GET_SIZE(self->parameters);
    while (place < count && PyUnicode_Compare(PyTuple_GET_ITEM(self->parameters, place), name)) ++place;
    return place;
}

// A Python float, or any default, as the array that NumPy would make of it beside operands of one dtype; null, without
// an error, where that is for NumPy to say. NumPy takes hundreds of nanoseconds to find out the same, and buffers what
// it has to cast.
inline PyObject* like_operands(const UfuncCall* self, PyObject* value, bool is_default, PyObject* const* operands) {
    if (!PyFloat_CheckExact(value) && !is_default) return nullptr;
    double number = PyFloat_AsDouble(value);
    bool bounded = number > -1e30 && number < 1e30;  // beyond, a cast might overflow
    if (PyErr_Occurred() || (!bounded && number != Py_HUGE_VAL)) {
        PyErr_Clear();
        return nullptr;
    }
    int type = NPY_NOTYPE;
    for (Py_ssize_t i = 0; i < self->required; ++i) {
        if (!PyArray_CheckExact(operands[i])) return nullptr;
        int own = PyArray_TYPE(reinterpret_cast<PyArrayObject*>(operands[i]));
        bool half = self->wide && (own == NPY_HALF || own == bfloat16_type);
        if ((own != NPY_FLOAT && own != NPY_DOUBLE && !half) || (i > 0 && own != type)) return nullptr;
        type = own;
    }
    if (type != NPY_DOUBLE) type = NPY_FLOAT;
    PyObject* array = PyArray_SimpleNew(0, nullptr, type);
    if (!array) {
        PyErr_Clear();
        return nullptr;
    }
    void* data = PyArray_DATA(reinterpret_cast<PyArrayObject*>(array));
    if (type == NPY_FLOAT) *static_cast<float*>(data) = float(number);
    else *static_cast<double*>(data) = number;
    return array;
}

inline PyObject* call_with_parameters(UfuncCall* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
    constexpr Py_ssize_t room = 24;
    Py_ssize_t parameters = PyTuple_GET_SIZE(self->parameters);
    Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    if (count < self->required || count + named + parameters > room) {
        PyErr_SetString(PyExc_TypeError, "wrong number of arguments");
        return nullptr;
    }
    // operands, parameters, remaining positional arguments (outputs), remaining keywords
    PyObject* stack[room + 1];
    PyObject** all = stack + 1;
    Py_ssize_t used = 0;
    for (Py_ssize_t i = 0; i < self->required; ++i) all[used++] = args[i];
    bool is_default[room] = {};
    for (Py_ssize_t i = 0; i < parameters; ++i) {
        is_default[i] = true;
        all[used++] = PyTuple_GET_ITEM(self->defaults, i);
    }
    for (Py_ssize_t i = self->required; i < count; ++i) all[used++] = args[i];
    Py_ssize_t positional = used, kept = 0;
    PyObject* kept_names[room];
    bool keeps_dtype = true;
    for (Py_ssize_t i = 0; i < named; ++i) {
        PyObject* name = PyTuple_GET_ITEM(keywords, i);
        Py_ssize_t place = parameter_place(self, name);
        if (place < parameters) {
            all[self->required + place] = args[count + i];
            is_default[place] = false;
        } else {
            keeps_dtype &= PyUnicode_CompareWithASCIIString(name, "out") == 0;
            kept_names[kept++] = name;
            all[used++] = args[count + i];
        }
    }
    PyObject* rest = nullptr;
    if (kept && (rest = PyTuple_New(kept)))
        for (Py_ssize_t i = 0; i < kept; ++i) PyTuple_SET_ITEM(rest, i, Py_NewRef(kept_names[i]));
    PyObject* made[room] = {};
    for (Py_ssize_t i = 0; keeps_dtype && i < parameters; ++i) {
        PyObject*& value = all[self->required + i];
        if ((made[i] = like_operands(self, value, is_default[i], args))) value = made[i];
    }
    PyObject* result = kept && !rest ? nullptr
                                     : PyObject_Vectorcall(self->ufunc, all,
                                                           size_t(positional) | PY_VECTORCALL_ARGUMENTS_OFFSET, rest);
    for (Py_ssize_t i = 0; i < parameters; ++i) Py_XDECREF(made[i]);
    Py_XDECREF(rest);
    return result;
}

inline PyObject* not_initialised(PyObject*, PyObject* const*, size_t, PyObject*) {
    PyErr_SetString(PyExc_TypeError, "this UfuncCall was never initialised");
    return nullptr;
}

inline PyObject* call_ufunc(PyObject* callable, PyObject* const* args, size_t flags, PyObject* keywords) {
    auto* self = reinterpret_cast<UfuncCall*>(callable);
    if (!self->ufunc) return not_initialised(callable, args, flags, keywords);  // the garbage collector was here
    Py_ssize_t count = PyVectorcall_NARGS(flags), parameters = PyTuple_GET_SIZE(self->parameters);
    if (self->loops) {
        PyObject* result = DirectCall::result(self->loops, args, count, keywords);
        if (result || PyErr_Occurred()) return result;
    }
    if (self->recover && self->recover != Py_None && may_be_containers(args, count, keywords)) {
        PyObject* result = ask_python(self, Py_None, args, count, keywords);
        if (result != Py_None) return result;
        Py_DECREF(result);
    }
    bool given = parameters > 0 && self->at_defaults == Py_None;
    if (parameters > 0 && keywords)
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keywords); ++i)
            given |= parameter_place(self, PyTuple_GET_ITEM(keywords, i)) < parameters;
    RecyclingScope recycling(count > 0 && is_large(args[0]));
    PyObject* result = given ? call_with_parameters(self, args, count, keywords)
                             : PyObject_Vectorcall(parameters ? self->at_defaults : self->ufunc, args, flags, keywords);
    return result ? result : recover_from_error(self, args, count, keywords);
}

inline int ufunc_call_init(PyObject* object, PyObject* args, PyObject* keywords) {
    auto* self = reinterpret_cast<UfuncCall*>(object);
    static const char* names[] = {"ufunc",   "required",    "parameters", "defaults",
                                  "recover", "at_defaults", "wide",       nullptr};
    PyObject *ufunc, *parameters, *defaults, *recover, *at_defaults = Py_None;
    Py_ssize_t required;
    int wide = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OnO!O!O|Op", const_cast<char**>(names), &ufunc, &required,
                                     &PyTuple_Type, &parameters, &PyTuple_Type, &defaults, &recover, &at_defaults,
                                     &wide))
        return -1;
    if (PyTuple_GET_SIZE(parameters) != PyTuple_GET_SIZE(defaults)) {
        PyErr_SetString(PyExc_ValueError, "one default per parameter");
        return -1;
    }
    Py_XSETREF(self->ufunc, Py_NewRef(ufunc));
    Py_XSETREF(self->at_defaults, Py_NewRef(at_defaults));
    Py_XSETREF(self->parameters, Py_NewRef(parameters));
    Py_XSETREF(self->defaults, Py_NewRef(defaults));
    Py_XSETREF(self->recover, Py_NewRef(recover));
    self->required = required;
    self->wide = wide;
    self->loops = at_defaults != Py_None              ? loops_of(at_defaults)
                  : PyTuple_GET_SIZE(parameters) == 0 ? loops_of(ufunc)
                                                      : nullptr;
    self->vectorcall = call_ufunc;
#if PY_VERSION_HEX < 0x030C0000
    // Later versions let Python subclasses inherit the flag; without it keywords would travel through a dict.
    if (Py_TYPE(object)->tp_call == PyVectorcall_Call) Py_TYPE(object)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
#endif
    return 0;
}

inline int ufunc_call_traverse(PyObject* object, visitproc visit, void* arg) {
    auto* self = reinterpret_cast<UfuncCall*>(object);
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->ufunc);
    Py_VISIT(self->at_defaults);
    Py_VISIT(self->parameters);
    Py_VISIT(self->defaults);
    Py_VISIT(self->recover);
    Py_VISIT(self->dictionary);
    return 0;
}
inline int ufunc_call_clear(PyObject* object) {
    auto* self = reinterpret_cast<UfuncCall*>(object);
    self->loops = nullptr;
    Py_CLEAR(self->ufunc);
    Py_CLEAR(self->at_defaults);
    Py_CLEAR(self->parameters);
    Py_CLEAR(self->defaults);
    Py_CLEAR(self->recover);
    Py_CLEAR(self->dictionary);
    return 0;
}
inline void ufunc_call_dealloc(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (reinterpret_cast<UfuncCall*>(object)->weak_references) PyObject_ClearWeakRefs(object);
    ufunc_call_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}
// Before __init__ there is nothing to call.
inline PyObject* ufunc_call_new(PyTypeObject* type, PyObject*, PyObject*) {
    auto* self = reinterpret_cast<UfuncCall*>(type->tp_alloc(type, 0));
    if (self) self->vectorcall = not_initialised;
    return reinterpret_cast<PyObject*>(self);
}

inline int add_ufunc_call(PyObject* module) {
    static PyMemberDef members[] = {
        {"ufunc", T_OBJECT_EX, offsetof(UfuncCall, ufunc), READONLY, "The np.ufunc that does the work."},
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(UfuncCall, vectorcall), READONLY, nullptr},
        {"__dictoffset__", T_PYSSIZET, offsetof(UfuncCall, dictionary), READONLY, nullptr},
        {"__weaklistoffset__", T_PYSSIZET, offsetof(UfuncCall, weak_references), READONLY, nullptr},
        {nullptr, 0, 0, 0, nullptr},
    };
    static PyType_Slot type_slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(ufunc_call_new)},
        {Py_tp_init, reinterpret_cast<void*>(ufunc_call_init)},
        {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
        {Py_tp_traverse, reinterpret_cast<void*>(ufunc_call_traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(ufunc_call_clear)},
        {Py_tp_dealloc, reinterpret_cast<void*>(ufunc_call_dealloc)},
        {Py_tp_getattro, reinterpret_cast<void*>(PyObject_GenericGetAttr)},
        {Py_tp_members, members},
        {0, nullptr},
    };
    static PyType_Spec spec = {
        "softfloor._core.UfuncCall", sizeof(UfuncCall), 0,
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL, type_slots};
    PyObject* type = PyType_FromSpec(&spec);
    if (!type) return -1;
    int status = PyModule_AddObjectRef(module, "UfuncCall", type);
    Py_DECREF(type);
    return status;
}

}  // namespace softfloor
