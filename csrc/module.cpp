// With ufunc_call.hpp the only source that knows Python and NumPy: makes ufuncs from the kernel tables.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>
#include <numpy/dtype_api.h>
#include <numpy/ufuncobject.h>

#include "address_call.hpp"
#include "class_losses.hpp"
#include "direct_losses.hpp"
#include "direct_rows.hpp"
#include "exact_sum.hpp"
#include "gufunc.hpp"
#include "ufunc_call.hpp"

namespace {

using namespace softfloor;

PyArray_DTypeMeta* bfloat16_class = nullptr;

int type_number(char letter, Dtype dtype) {
    if (letter == 'd') return NPY_DOUBLE;
    if (letter == 'P') return dtype == float64 ? NPY_DOUBLE : NPY_FLOAT;  // a wide parameter
    if (letter == 'l') return NPY_INT64;
    const int numbers[dtype_count] = {NPY_HALF, bfloat16_type, NPY_FLOAT, NPY_DOUBLE};
    return numbers[dtype];
}
size_t item_size(char letter, Dtype dtype) { return letter == 'T' ? itemsizes[dtype] : 8; }

// A copy that lives as long as the process, as ufuncs do: NumPy keeps pointers to names, types and documentation.
const char* forever(const char* text) { return strdup(text); }

// One loop per dtype. NumPy's own types go in at creation, narrowest first, so that integers promote as they do in
// NumPy; bfloat16 is registered afterwards.
constexpr Dtype creation_order[] = {float16, float32, float64};

struct LoopTypes {
    int inputs, outputs;
    const char* letters;  // one per operand
    PyUFuncGenericFunction function;
};

PyObject* make_ufunc(const LoopTypes& types, void* const (&data)[dtype_count], const char* name, const char* doc,
                     const char* signature) {
    int count = types.inputs + types.outputs;
    auto* functions = static_cast<PyUFuncGenericFunction*>(PyMem_RawMalloc(3 * sizeof(PyUFuncGenericFunction)));
    auto** pointers = static_cast<void**>(PyMem_RawMalloc(3 * sizeof(void*)));
    char* numbers = static_cast<char*>(PyMem_RawMalloc(size_t(3 * count)));
    for (int i = 0; i < 3; ++i) {
        functions[i] = types.function;
        pointers[i] = data[creation_order[i]];
        for (int k = 0; k < count; ++k) numbers[i * count + k] = char(type_number(types.letters[k], creation_order[i]));
    }
    PyObject* ufunc = PyUFunc_FromFuncAndDataAndSignature(functions, pointers, numbers, 3, types.inputs, types.outputs,
                                                          PyUFunc_None, forever(name), forever(doc), 0, signature);
    if (!ufunc) return nullptr;
    int bfloat16_numbers[maximum_row_operands];
    for (int k = 0; k < count; ++k) bfloat16_numbers[k] = type_number(types.letters[k], bfloat16);
    if (PyUFunc_RegisterLoopForType(reinterpret_cast<PyUFuncObject*>(ufunc), bfloat16_type, types.function,
                                    bfloat16_numbers, data[bfloat16]) < 0) {
        Py_DECREF(ufunc);
        return nullptr;
    }
    return ufunc;
}

// bfloat16 beside Python numbers stays bfloat16, as NumPy's own types do; by itself NumPy would widen it to float32.
// Operands from `wide` on, up to the outputs, are wide parameters.
template <int wide>
int promote_to_bfloat16(PyObject* ufunc, PyArray_DTypeMeta* const[], PyArray_DTypeMeta* const signature[],
                        PyArray_DTypeMeta* result[]) {
    auto* own = reinterpret_cast<PyUFuncObject*>(ufunc);
    for (int k = 0; k < own->nargs; ++k) {
        result[k] = signature[k] ? signature[k] : k >= wide && k < own->nin ? &PyArray_FloatDType : bfloat16_class;
        Py_INCREF(result[k]);
    }
    return 0;
}

// One promoter per combination of operands; wide parameters may be of any dtype.
int add_bfloat16_promoters(PyObject* ufunc, int operands, int wide_parameters, int outputs) {
    PyArray_DTypeMeta* const classes[] = {bfloat16_class, &PyArray_PyFloatDType, &PyArray_PyLongDType};
    auto promote = !wide_parameters ? promote_to_bfloat16<NPY_MAXARGS>
                   : operands == 2  ? promote_to_bfloat16<2>
                                    : promote_to_bfloat16<3>;
    PyObject* promoter = PyCapsule_New(reinterpret_cast<void*>(promote), "numpy._ufunc_promoter", nullptr);
    int inputs = operands + wide_parameters, combinations = 1, status = promoter ? 0 : -1;
    for (int k = 0; k < operands; ++k) combinations *= 3;
    for (int number = 0; status == 0 && number < combinations; ++number) {
        PyObject* types = PyTuple_New(inputs + outputs);
        bool any_bfloat16 = false, any_python = wide_parameters > 0;
        for (int k = 0, digits = number; k < inputs + outputs; ++k, digits /= 3) {
            PyObject* type = k < operands ? reinterpret_cast<PyObject*>(classes[digits % 3])
                             : k < inputs ? reinterpret_cast<PyObject*>(&PyArrayDescr_Type)
                                          : Py_None;
            (digits % 3 ? any_python : any_bfloat16) |= k < operands;
            PyTuple_SET_ITEM(types, k, Py_NewRef(type));
        }
        if (any_bfloat16 && any_python) status = PyUFunc_AddPromoter(ufunc, types, promoter);
        Py_DECREF(types);
    }
    Py_XDECREF(promoter);
    return status;
}

PyObject* make_elementwise(int index, const char* name, const char* doc, bool at_defaults) {
    const ElementwiseEntry& entry = current_table().elementwise[index];
    int inputs = entry.inputs - (at_defaults ? entry.parameters : 0);
    int wide_parameters = entry.parameters_are_wide && !at_defaults ? entry.parameters : 0;
    char letters[maximum_operands];
    for (int k = 0; k < inputs + entry.outputs; ++k)
        letters[k] = k >= inputs - wide_parameters && k < inputs ? 'P' : 'T';
    ElementwiseLoop* loops = new_loops(index, at_defaults);
    void* data[dtype_count];
    for (int dtype = 0; dtype < dtype_count; ++dtype) data[dtype] = loops + dtype;
    PyObject* ufunc = make_ufunc({inputs, entry.outputs, letters, elementwise_loop}, data, name, doc, nullptr);
    if (ufunc && add_bfloat16_promoters(ufunc, inputs - wide_parameters, wide_parameters, entry.outputs) < 0)
        Py_CLEAR(ufunc);
    return ufunc;
}

PyObject* make_rows(int index, const char* name, const char* doc) {
    const RowEntry& entry = current_table().rows[index];
    const char* arrow = std::strstr(entry.signature, "->");
    RowLoop loop = {index, float16, 0, 0, {}, {}, {}};
    int count = 0;
    for (const char* c = entry.signature; *c; ++c) {
        if (*c == '(') {
            (c < arrow ? loop.inputs : loop.outputs)++;
            loop.is_row[count++] = c[1] == 'n';
        }
    }
    void* data[dtype_count];
    auto* loops = new RowLoop[dtype_count]{loop, loop, loop, loop};  // row_loops_of: side by side
    for (int dtype = 0; dtype < dtype_count; ++dtype) {
        loops[dtype].dtype = Dtype(dtype);
        for (int k = 0; k < count; ++k) loops[dtype].sizes[k] = item_size(entry.types[k], Dtype(dtype));
        data[dtype] = loops + dtype;
    }
    return make_ufunc({loop.inputs, loop.outputs, entry.types, row_loop_or_error}, data, name, doc, entry.signature);
}

PyObject* make(PyObject*, PyObject* args) {
    const char *function, *variant, *name, *doc;
    int at_defaults = 0;
    if (!PyArg_ParseTuple(args, "ssss|p", &function, &variant, &name, &doc, &at_defaults)) return nullptr;
    const KernelTable& table = current_table();
    auto is_it = [&](const auto& entry) {
        return !std::strcmp(entry.name, function) && !std::strcmp(entry.variant, variant);
    };
    for (int i = 0; i < table.elementwise_count; ++i)
        if (is_it(table.elementwise[i])) return make_elementwise(i, name, doc, at_defaults);
    for (int i = 0; i < table.row_count; ++i)
        if (is_it(table.rows[i])) return make_rows(i, name, doc);
    return PyErr_Format(PyExc_LookupError, "no kernel %s of %s is compiled in; rebuild softfloor", variant, function);
}

PyObject* at_addresses(PyObject*, PyObject* args) {
    const char *function, *variant;
    if (!PyArg_ParseTuple(args, "ss", &function, &variant)) return nullptr;
    const KernelTable& table = current_table();
    for (int i = 0; i < table.elementwise_count; ++i)
        if (!std::strcmp(table.elementwise[i].name, function) && !std::strcmp(table.elementwise[i].variant, variant))
            return make_address_call(i);
    return PyErr_Format(PyExc_LookupError, "no kernel %s of %s is compiled in; rebuild softfloor", variant, function);
}

PyObject* kernels(PyObject*, PyObject*) {
    PyObject* list = PyList_New(0);
    const KernelTable& table = current_table();
    auto append = [&](const auto& entry) {
        PyObject* item = Py_BuildValue("(ss)", entry.name, entry.variant);
        if (item) PyList_Append(list, item);
        Py_XDECREF(item);
    };
    for (int i = 0; i < table.elementwise_count; ++i) append(table.elementwise[i]);
    for (int i = 0; i < table.row_count; ++i) append(table.rows[i]);
    return list;
}

PyObject* available_cpus(PyObject*, PyObject*) {
    const AvailableTables& found = available_tables();
    PyObject* names = PyTuple_New(found.count);
    for (int i = 0; names && i < found.count; ++i)
        PyTuple_SET_ITEM(names, i, PyUnicode_FromString(found.tables[i]->instruction_set));
    return names;
}

PyObject* current_cpu(PyObject*, PyObject*) { return PyUnicode_FromString(current_table().instruction_set); }

PyObject* use_cpu(PyObject*, PyObject* name) {
    const char* text = PyUnicode_AsUTF8(name);
    return text ? PyBool_FromLong(use_table(text)) : nullptr;
}

PyObject* get_threads(PyObject*, PyObject*) {
    return Py_BuildValue("(iii)", requested_thread_count(), thread_count(), threads_used());
}

PyObject* set_threads(PyObject*, PyObject* count) {
    long n = PyLong_AsLong(count);
    if (n == -1 && PyErr_Occurred()) return nullptr;
    set_thread_count(int(n));
    Py_RETURN_NONE;
}

PyObject* py_set_share(PyObject*, PyObject* nanoseconds) {
    double share = PyFloat_AsDouble(nanoseconds);
    if (share == -1 && PyErr_Occurred()) return nullptr;
    return PyFloat_FromDouble(set_share(share));
}

PyObject* call_recycling(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    if (count == 0) return PyErr_Format(PyExc_TypeError, "call_recycling needs a function to call");
    bool large = false;
    for (Py_ssize_t i = 1; i < count; ++i) large |= is_large(args[i]);
    RecyclingScope recycling(large);
    return PyObject_Vectorcall(args[0], args + 1, size_t(count - 1), names);
}

// Gives a setting another value and returns the one before.
PyObject* exchanged(std::atomic<size_t>& setting, PyObject* value) {
    Py_ssize_t size = PyLong_AsSsize_t(value);
    if (size == -1 && PyErr_Occurred()) return nullptr;
    return PyLong_FromSize_t(setting.exchange(size_t(size)));
}
PyObject* set_streaming(PyObject*, PyObject* bytes) { return exchanged(streaming_bytes, bytes); }
PyObject* set_looked_up(PyObject*, PyObject* elements) { return exchanged(looked_up_after, elements); }

PyObject* set_second_level_cache(PyObject*, PyObject* bytes) { return exchanged(second_level_cache_bytes, bytes); }

PyObject* get_looked_up(PyObject*, PyObject*) { return PyLong_FromSize_t(tables_made.load()); }

PyObject* get_memory(PyObject*, PyObject*) {
    MemoryLimits limits = memory_limits();
    return Py_BuildValue("(ndn)", Py_ssize_t(limits.bytes), limits.seconds, Py_ssize_t(kept_bytes()));
}
PyObject* set_memory(PyObject*, PyObject* args) {
    Py_ssize_t bytes;
    double seconds;
    if (!PyArg_ParseTuple(args, "nd", &bytes, &seconds)) return nullptr;
    set_memory_limits({size_t(bytes), seconds});
    Py_RETURN_NONE;
}
PyObject* release_memory(PyObject*, PyObject*) { return PyLong_FromSize_t(release_kept()); }

PyObject* exact_sum(PyObject*, PyObject* values) {
    PyArrayObject* array = reinterpret_cast<PyArrayObject*>(PyArray_FROM_OTF(values, NPY_DOUBLE, NPY_ARRAY_IN_ARRAY));
    if (!array) return nullptr;
    FloatingPointEnvironment environment;
    ExactSum sum;
    bool finite = sum.add(static_cast<const double*>(PyArray_DATA(array)), size_t(PyArray_SIZE(array)));
    Py_DECREF(array);
    if (!finite) Py_RETURN_NONE;
    return PyFloat_FromDouble(sum.rounded());
}

PyMethodDef methods[] = {
    {"make_ufunc", make, METH_VARARGS,
     "make_ufunc(function, variant, name, doc, at_defaults=False): a new np.ufunc over a kernel; "
     "at_defaults: without operands for the parameters, which have their defaults."},
    {"at_addresses", at_addresses, METH_VARARGS,
     "at_addresses(function, variant): call(dtype, n, address, ...), the kernel on contiguous memory of others."},
    {"kernels", kernels, METH_NOARGS, "Every (function, variant) that is compiled in."},
    {"available_cpus", available_cpus, METH_NOARGS, "Instruction sets that this CPU runs, best first."},
    {"current_cpu", current_cpu, METH_NOARGS, "The instruction set whose kernels run."},
    {"use_cpu", use_cpu, METH_O, "Run the kernels of that instruction set; False if there are none."},
    {"get_threads", get_threads, METH_NOARGS,
     "(threads asked for or 0, threads that the next call may use, threads that the latest large call used)."},
    {"set_threads", set_threads, METH_O, "Ask for a number of threads; 0 leaves it to OpenMP."},
    {"set_share", py_set_share, METH_O, "Nanoseconds of work that a call needs per thread; returns the value before."},
    {"call_recycling", as_method(call_recycling), METH_FASTCALL | METH_KEYWORDS,
     "call_recycling(function, *args, **keywords): the call, its large results in recycled memory."},
    {"exact_sum", exact_sum, METH_O, "The sum of an array's float64, rounded once; None if one is infinite or NaN."},
    {"direct_rows", direct_rows, METH_O,
     "direct_rows(gufunc): call(array, ..., axis=-1, *, temperature=1.0, keepdims=False, out=None) of plain arrays; "
     "None "
     "for others."},
    {"direct_loss", as_method(direct_loss<LossCall::loss>), METH_FASTCALL,
     "direct_loss(gufunc, ...): call(z, labels, ..., reduction='mean') of plain arrays; None for others, where a label "
     "is outside, and where the sum is of an infinity or NaN."},
    {"direct_loss_and_losses", as_method(direct_loss<LossCall::loss_and_losses>), METH_FASTCALL,
     "direct_loss_and_losses(gufunc, ...): the loss, the losses of the rows and the gradient; None as direct_loss."},
    {"direct_loss_vjp", as_method(direct_loss<LossCall::vjp>), METH_FASTCALL,
     "direct_loss_vjp(gufunc, ...): call(z, labels, cotangent, ..., reduction='mean') for one cotangent; None as "
     "direct_loss."},
    {"class_loss", as_method(class_loss), METH_FASTCALL | METH_KEYWORDS,
     "class_loss(log_probabilities, labels, axis=-1, *, reduction='mean'): nll of plain arrays; None as direct_loss."},
    {"class_loss_and_grad", as_method(class_loss_and_grad), METH_FASTCALL | METH_KEYWORDS,
     "class_loss_and_grad(log_probabilities, labels, axis=-1, *, reduction='mean', out=None): the pair, or None."},
    {"set_streaming", set_streaming, METH_O,
     "Bytes of all operands from which results are written around the caches; returns the value before."},
    {"get_looked_up", get_looked_up, METH_NOARGS, "How many functions of half precision look their results up."},
    {"set_looked_up", set_looked_up, METH_O,
     "Elements of half precision that a function computes before it looks results up; returns the value before."},
    {"set_second_level_cache", set_second_level_cache, METH_O,
     "How many bytes of rows side by side are put aside before they are read again; returns the value before."},
    {"get_memory", get_memory, METH_NOARGS, "(limit in bytes, age in seconds, bytes kept now)."},
    {"set_memory", set_memory, METH_VARARGS, "set_memory(bytes, seconds): how much freed memory is kept, how long."},
    {"release_memory", release_memory, METH_NOARGS, "Give kept memory back to the system; returns the bytes."},
    {nullptr, nullptr, 0, nullptr},
};

int execute(PyObject* module) {
    if (PyArray_ImportNumPyAPI() < 0 || PyUFunc_ImportUFuncAPI() < 0) return -1;
    PyObject* ml_dtypes = PyImport_ImportModule("ml_dtypes");
    PyObject* type = ml_dtypes ? PyObject_GetAttrString(ml_dtypes, "bfloat16") : nullptr;
    Py_XDECREF(ml_dtypes);
    PyArray_Descr* descriptor = nullptr;
    if (!type || !PyArray_DescrConverter(type, &descriptor)) {
        Py_XDECREF(type);
        return -1;
    }
    Py_DECREF(type);
    bfloat16_type = descriptor->type_num;
    bfloat16_class = NPY_DTYPE(descriptor);  // lives as long as ml_dtypes, which is never unloaded
    Py_DECREF(descriptor);
    return add_ufunc_call(module);
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "softfloor._core",
                          "Compiled kernels behind NumPy ufuncs.",
                          0,
                          methods,
                          slots,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&definition); }
