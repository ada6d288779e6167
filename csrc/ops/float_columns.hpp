// Rows of float32, float16 or bfloat16 that lie side by side, as along axis 0: sixteen at a time, a vector holding one
// entry of each. Nothing is transposed, and sums have the order of additions, and so the bits, of float_row.hpp.
#pragma once
#include "../kernels.hpp"
#include "float_row.hpp"

namespace softfloor {
namespace {

// Asks for the memory of an entry to come in `count` rows: the prefetchers of processors do not follow entries that lie
// a page apart.
template <class T, bool written = false> SOFTFLOOR_INLINE void ask_ahead(const Strided& x, size_t entry, size_t count) {
    constexpr size_t ahead = 8, line = 64;
    const char* first = x.at(0, entry + ahead);
    for (size_t k = 0; k < count * sizeof(T); k += line) __builtin_prefetch(first + k, written);
}

template <class T> struct FloatColumns {
    using Entry = T;
    static constexpr size_t width = column_width, most = most_columns;

    size_t n, count;
    float* buffer;  // per sixteen rows, entry by entry; one entry apart, so that blocks do not share cache sets
    FloatRow<T> rows[most];
    int32_t places[most];  // of the first maxima

    float* block(size_t first) const { return buffer + first * (n + 1); }
    const FloatRow<T>& row(size_t k) const { return rows[k]; }
    double inverse_total(size_t k) const { return rows[k].inverse_total(); }
    double log_of_total(size_t k) const { return rows[k].log_of_total(); }
    float entry(size_t row, size_t i) const { return block(row / width * width)[i * width + row % width]; }

    // False where a row has an infinite maximum (or nothing but NaN), which its row kernel knows to treat. `negative`
    // takes -x for x, and `apart` finds the places of the first maxima.
    template <bool apart, bool negative = false>
    bool load(const Strided& x, size_t entries, size_t row_count, const Strided* temperature, float* scratch) {
        n = entries, count = row_count, buffer = scratch;
        float maximum[most];
        for (size_t row = 0; row < count; ++row) maximum[row] = -__builtin_inff(), places[row] = 0;
        for (size_t i = 0; i < n; ++i) {
            const T* from = reinterpret_cast<const T*>(x.at(0, i));
            ask_ahead<T>(x, i, count);
            for (size_t first = 0; first < count; first += width) {
                float *to = block(first) + i * width, *largest = maximum + first;
                int32_t *place = places + first, here = int32_t(i);
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled, it would not be vectorised
                for (size_t j = 0; j < width; ++j) {
                    float value = negative ? -widen(from[first + j]) : widen(from[first + j]);
                    to[j] = value;
                    if constexpr (apart) place[j] = value > largest[j] ? here : place[j];
                    largest[j] = value > largest[j] ? value : largest[j];
                }
            }
        }
        for (size_t row = 0; row < count; ++row) {
            double its_temperature = temperature ? *reinterpret_cast<const double*>(temperature->at(row, 0)) : 1.0;
            rows[row] = FloatRow<T>(maximum[row], its_temperature);
            if (rows[row].form == FloatRow<T>::infinite) return false;
        }
        return true;
    }

    // As add_terms of a row; `apart` keeps the first maximum out of the sum.
    template <bool apart, bool keep> void add_terms() {
        for (size_t first = 0; first < count; first += width) {
            bool plain = true;
            for (size_t j = 0; j < width; ++j) plain &= rows[first + j].form == FloatRow<T>::plain;
            if (plain) add_terms<apart, keep, true>(block(first), rows + first, places + first);
            else add_terms<apart, keep, false>(block(first), rows + first, places + first);
        }
    }

  private:
    template <bool apart, bool keep, bool plain>
    [[gnu::noinline]] void add_terms(float* __restrict x, FloatRow<T>* row, const int32_t* places_there) const {
        constexpr size_t chunk = FloatRow<T>::chunk, segment = FloatRow<T>::segment;
        float scale[width], scale_rest[width], middle[width], shift[width], unit[width], lowest[width], maximum[width];
        int32_t place[width];
        for (size_t j = 0; j < width; ++j) {
            const RowExponential& e = row[j].exponential;
            scale[j] = e.scale, scale_rest[j] = e.scale_rest, middle[j] = e.middle;
            shift[j] = e.shift, unit[j] = e.unit, lowest[j] = e.lowest;
            maximum[j] = row[j].maximum, place[j] = places_there[j];
        }
        float lane[chunk][width];
        double sums[lanes][width] = {};
        for (size_t begin = 0; begin < n; begin += segment) {
            size_t end = n - begin < segment ? n : begin + segment;
            for (size_t k = 0; k < chunk; ++k)
                for (size_t j = 0; j < width; ++j) lane[k][j] = 0.0f;
            for (size_t i = begin; i < end; ++i) {
                float *value = x + i * width, *sum = lane[i % chunk];
                int32_t here = int32_t(i);
#pragma GCC ivdep
                for (size_t j = 0; j < width; ++j) {
                    RowExponential e{scale[j], scale_rest[j], middle[j], shift[j], unit[j], lowest[j]};
                    float term = e.template term<plain>(value[j]);
                    sum[j] += apart && place[j] == here ? 0.0f : term;
                    if constexpr (keep) value[j] = term;
                }
            }
            for (size_t k = 0; k < lanes; ++k)
                for (size_t j = 0; j < width; ++j)
                    sums[k][j] += double(lane[k][j] + lane[k + 16][j]) + double(lane[k + 32][j] + lane[k + 48][j]);
        }
        for (size_t half = lanes / 2; half; half /= 2)
            for (size_t k = 0; k < half; ++k)
                for (size_t j = 0; j < width; ++j) sums[k][j] += sums[k + half][j];
        for (size_t j = 0; j < width; ++j) {
            RowExponential e{scale[j], scale_rest[j], middle[j], shift[j], unit[j], lowest[j]};
            row[j].others = sums[0][j], row[j].top = apart ? double(e.template term<plain>(maximum[j])) : 0.0;
        }
    }

  public:
    // out = result(entry, row's first and second number), for all entries of all rows.
    template <class Result>
    SOFTFLOOR_INLINE void write(const Strided& out, const float* first_number, const float* second_number,
                                Result result) {
        for (size_t i = 0; i < n; ++i) {
            T* to = reinterpret_cast<T*>(out.at(0, i));
            ask_ahead<T, true>(out, i, count);
            for (size_t first = 0; first < count; first += width) {
                const float *from = block(first) + i * width, *a = first_number + first, *b = second_number + first;
#pragma GCC ivdep
                for (size_t j = 0; j < width; ++j) to[first + j] = narrow<T>(result(from[j], a[j], b[j]));
            }
        }
    }

    // out = terms * factor(row); false, and nothing written, where a factor is too large or small for float32.
    template <class Factor> bool write_scaled(const Strided& out, Factor factor) {
        float high[most], low[most];
        for (size_t row = 0; row < count; ++row) {
            double its_factor = factor(row);
            if (!splits(its_factor)) return false;
            high[row] = float(its_factor), low[row] = float(its_factor - double(high[row]));
        }
        write(out, high, low, [](float term, float a, float b) { return fma(term, a, term * b); });
        return true;
    }
    bool write_log(const Strided& out) {
        float scale = rows[0].exponential.scale, maximum[most], log_of_total[most];
        for (size_t row = 0; row < count; ++row) {
            double its_log = rows[row].log_of_total();
            if (!rows[row].writes_log_in_float() || rows[row].exponential.scale != scale || its_log != its_log)
                return false;
            maximum[row] = rows[row].maximum, log_of_total[row] = float(its_log);
        }
        write(out, maximum, log_of_total, [=](float x, float a, float b) { return fma(x - a, scale, -b); });
        return true;
    }
};

}  // namespace
}  // namespace softfloor
