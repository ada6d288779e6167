// nll's first step in one pass over the labels: check them, pick their log-probabilities.
#pragma once
#include <cstddef>
#include <cstdint>

namespace softfloor {

// to[p] = 0 - q[outer][label p][inner], p = outer * inner_size + inner. False where a label is outside [0, classes).
template <class T>
bool class_losses(const T* q, const int64_t* labels, double* to, size_t count, int64_t classes, size_t inner_size) {
    bool inside = true;
    for (size_t p = 0; p < count; ++p) inside &= uint64_t(labels[p]) < uint64_t(classes);
    if (!inside) return false;
    for (size_t begin = 0; begin < count; begin += inner_size, q += size_t(classes) * inner_size)
        for (size_t inner = 0; inner < inner_size; ++inner)
            to[begin + inner] = 0.0 - double(q[size_t(labels[begin + inner]) * inner_size + inner]);
    return true;
}

}  // namespace softfloor
