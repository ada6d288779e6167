// softmax, log_softmax and logsumexp on contiguous rows. Their vjps from the output are in row_vjps.hpp.
#pragma once
#include "../kernels.hpp"
#include "cancelled_totals.hpp"
#include "float_columns.hpp"
#include "float_row.hpp"
#include "long_columns.hpp"
#include "short_rows.hpp"
#include "wide_columns.hpp"
#include "wide_row.hpp"

namespace softfloor {
namespace {

template <class T> struct RowFor {
    using Type = FloatRow<T>;
};
template <> struct RowFor<double> {
    using Type = WideRow<double>;
};
template <class T> using Row = typename RowFor<T>::Type;

// Rows on which each step is taken for all before the next: a processor that waits for the maximum or the sum of one
// goes on with another. Rows of 256 entries took 0.37 ns per entry so, and 0.48 one after another.
template <class T> struct Batch {
    const Strided* operands;
    size_t count;
    Row<T> rows[most_batched];

    Batch(const Strided* all, const Strided* temperature, size_t n, size_t how_many, void* scratch)
        : operands(all), count(how_many) {
        for (size_t k = 0; k < count; ++k)
            rows[k] =
                Row<T>(at<const T>(0, k), n, temperature ? *reinterpret_cast<double*>(temperature->at(k, 0)) : 1.0,
                       static_cast<float*>(scratch) + k * n);
    }
    template <class Item> Item* at(int operand, size_t k) const {
        return reinterpret_cast<Item*>(operands[operand].at(k, 0));
    }
    template <class Step> SOFTFLOOR_INLINE void each(Step step) {
        for (size_t k = 0; k < count; ++k) step(rows[k], k);
    }
    // out = factor(row, k) * softmax(x / T)
    template <class Factor> SOFTFLOOR_INLINE void write_softmax(int out, Factor factor) {
        each([&](Row<T>& row, size_t k) { row.sum_into(row.terms_in(at<T>(out, k))); });
        each([&](Row<T>& row, size_t k) {
            T* result = at<T>(out, k);
            row.write_scaled(row.terms_in(result), result, row.inverse_total() * factor(row, k));
        });
    }
    void sum_others() {
        each([](Row<T>& row, size_t) { row.find_place(); });
        each([](Row<T>& row, size_t) { row.sum_others(); });
    }
};

// Rows that are held together: side by side in memory (FloatColumns, LongColumns, WideColumns of float64) or, but for
// float64, short (ShortRows). An operation that has `together` is written once for all; it returns false, with nothing
// written, where a row asks for the row kernel.
template <class Op>
concept HasTogether = requires(FloatColumns<float>& all) { Op::together(all, nullptr, 0, 0); };

template <class Op, class Rows> bool together(const Strided* operands, size_t n, size_t count) {
    Rows all;
    return Op::together(all, operands, n, count);
}
template <class Op, class T> bool short_rows(const Strided* operands, size_t n, size_t count) {
    if constexpr (sizeof(T) < 8 && HasTogether<Op>) {
        if (n <= 32) return together<Op, ShortRows<T, 32>>(operands, n, count);
        if (n <= 64) return together<Op, ShortRows<T, 64>>(operands, n, count);
        if (n <= 128) return together<Op, ShortRows<T, 128>>(operands, n, count);
    }
    return false;
}
// Tile by tile, up to one that asks for the row kernel; returns how many rows are done.
template <class Op, class T, int operand_count>
size_t columns_together(const Strided* operands, size_t n, size_t count, ColumnScratch scratch) {
    TileOrder order = [&] {
        if constexpr (sizeof(T) == 8) return TileOrder{count, true, most_columns};
        // Terms of half precisions have no place to be kept in while they are read again: computed twice, they gain
        // later, in narrow tiles never. In shorter rows of float32, it costs more than it saves.
        constexpr size_t narrow = sizeof(T) == 4 ? 4096 : size_t(-1);
        size_t room = scratch.second_level_cache * (sizeof(T) == 4 ? 1 : 16);
        return TileOrder::of<T>(operands[0], n, count, narrow, room);
    }();
    TileOrder::Tile tile = order.from(0);
    size_t done = 0;  // all rows of the tiles so far, whose results may be in the place of what the next has in common
    auto each_tile = [&](auto& all) {
        while (tile.count) {
            all.taken = tile, all.following = order.from(tile.next);
            if (!Op::together(all, TileOperands<operand_count>(operands, tile).operands, n, tile.count)) break;
            done = tile.end(), tile = all.following;
        }
        all.finish();
    };
    if constexpr (sizeof(T) == 8) {
        WideColumns<T> all(n);
        each_tile(all);
    } else if (order.reads_again) {
        each_tile(LongColumns<T>::in(scratch, n));
    } else {
        FloatColumns<T> all(n, scratch.memory);
        each_tile(all);
    }
    return done;
}
// One row, by an operation that takes such.
template <int inputs> struct RowInputs {
    const void* in[inputs];
    RowInputs(const Strided* operands, size_t row) {
        for (int k = 0; k < inputs; ++k) in[k] = operands[k].at(row, 0);
    }
};
template <class Op, class T, int inputs, int outputs>
void run_row(const Strided* operands, size_t row, size_t n, void* scratch) {
    void* out[outputs];
    for (int k = 0; k < outputs; ++k) out[k] = operands[inputs + k].at(row, 0);
    Op::template run<T>(RowInputs<inputs>(operands, row).in, out, n, scratch);
}
// batched_rows(n) rows at most.
template <class Op, class T> void batch_of(const Strided* operands, size_t n, size_t count, void* scratch) {
    if (!short_rows<Op, T>(operands, n, count)) Op::template batch<T>(operands, n, count, scratch);
}

struct Softmax {  // (n),()->(n): logits, temperature
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        Batch<T> batch(operands, &operands[1], n, count, scratch);
        batch.write_softmax(2, [](auto&, size_t) { return typename Row<T>::N(1.0); });
    }
    template <bool negative = false, class Rows>
    static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        if (!all.template load<false, negative>(operands[0], n, count, &operands[1])) return false;
        all.template keep_terms<false>(operands[2]);
        return all.write_scaled(operands[2], [&](size_t row) { return all.inverse_total(row); });
    }
};

struct LogSoftmax {  // (n),()->(n): logits, temperature
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        Batch<T> batch(operands, &operands[1], n, count, scratch);
        if constexpr (sizeof(T) == 4) batch.each([&](auto& row, size_t k) { row.result = batch.template at<T>(2, k); });
        batch.sum_others();
        batch.each([&](auto& row, size_t k) { row.write_log(batch.template at<T>(2, k)); });
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        if (!all.template load<true>(operands[0], n, count, &operands[1])) return false;
        all.template add_terms<true>();
        return all.write_log(operands[2]);
    }
};

struct Logsumexp {  // (n),()->(): logits, temperature
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        Batch<T> batch(operands, &operands[1], n, count, scratch);
        batch.sum_others();
        batch.each([&](auto& row, size_t k) { *batch.template at<T>(2, k) = Format<T>::store(total_of<T>(row)); });
    }
    template <class T> static typename Row<T>::N total_of(const Row<T>& row) {
        using N = typename Row<T>::N;
        N total = softfloor::total_of(row, row.log_of_total());
        if (!cancels(row, total)) return total;
        return total_again<N>(row.n, row.temperature, [&](size_t i) { return row.entry(i); });
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        if (!all.template load<true>(operands[0], n, count, &operands[1])) return false;
        all.template add_terms<true>();
        using T = typename Rows::Entry;
        typename Rows::N totals[Rows::most];
        for (size_t k = 0; k < count; ++k) {
            const auto& row = all.row(k);
            totals[k] = softfloor::total_of(row, all.log_of_total(k));
            if (!cancels(row, totals[k])) continue;
            constexpr size_t most_gathered = 128;
            if (n > most_gathered) return false;
            double x[most_gathered];
            for (size_t i = 0; i < n; ++i) x[i] = all.entry(k, i);
            totals[k] =
                total_again<typename Rows::N>(n, temperature_at(operands[1], k), [&](size_t i) { return x[i]; });
        }
        for (size_t k = 0; k < count; ++k) *reinterpret_cast<T*>(operands[2].at(k, 0)) = Format<T>::store(totals[k]);
        return true;
    }
};

struct LogsumexpVjp {  // (n),(),()->(n): logits, temperature, cotangent
    template <class T> static void batch(const Strided* operands, size_t n, size_t count, void* scratch) {
        Batch<T> batch(operands, &operands[1], n, count, scratch);
        batch.write_softmax(3, [&](auto& row, size_t k) {
            return row.inverse_temperature * Format<T>::load(*batch.template at<const T>(2, k));
        });
    }
    template <class Rows> static bool together(Rows& all, const Strided* operands, size_t n, size_t count) {
        using T = typename Rows::Entry;
        if (!all.template load<false>(operands[0], n, count, &operands[1])) return false;
        all.template keep_terms<false>(operands[3]);
        return all.write_scaled(operands[3], [&](size_t k) {
            auto cotangent = Format<T>::load(*reinterpret_cast<const T*>(operands[2].at(k, 0)));
            return all.inverse_total(k) * (all.row(k).inverse_temperature * cotangent);
        });
    }
};

}  // namespace
}  // namespace softfloor
