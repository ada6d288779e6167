// The exact sum of doubles, whatever their order and size: R. M. Neal, Fast exact summation using small and large
// superaccumulators, 2015 (the small one).
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace softfloor {

// An integer in units of 2^-1074, the smallest double, in chunks of 32 bits. A chunk has room for the carries of many
// additions: a number adds less than 2^52 to each of two.
class ExactSum {
  public:
    static constexpr int count = 67;
    static constexpr size_t until_carry = 1024;

    // False for an infinity or NaN.
    bool add(const double* values, size_t n) {
        for (size_t i = 0; i < n; i += until_carry) {
            size_t some = n - i < until_carry ? n - i : until_carry;
            // The sums of lanes and, if they have lost something, those of what they have lost.
            double lost[until_carry], again[until_carry], sums[2 * lanes] = {};
            bool is_exact =
                add_in_doubles(sums, values + i, some, lost) || add_in_doubles(sums + lanes, lost, until_carry, again);
            const double* terms = is_exact ? sums : values + i;
            for (size_t k = 0; k < (is_exact ? 2 * lanes : some); ++k)
                if (!add(terms[k])) return false;
            carry();
        }
        return true;
    }

    // The sum, rounded once to nearest; infinite where it is beyond the largest double.
    double rounded() {
        double sign = 1.0;
        if (chunks[count - 1] < 0) {
            for (int64_t& chunk : chunks) chunk = -chunk;
            carry();
            sign = -1.0;
        }
        // From the largest chunk on. Once an addition loses something, the chunks below can do no more than break a
        // tie.
        double sum = 0.0, lost = 0.0;
        int k = count - 1;
        for (; k >= 0 && lost == 0; --k) {
            if (!chunks[k]) continue;
            double part = std::ldexp(double(chunks[k]), 32 * k - 1074), before = sum;
            sum += part;
            if (sum > largest) return sign * sum;
            lost = part - (sum - before);
        }
        bool more = false;
        for (; k >= 0; --k) more |= chunks[k] != 0;
        double next = sum + 2.0 * lost;
        if (more && lost > 0 && next - sum == 2.0 * lost) sum = next;
        return sign * sum;
    }

  private:
    static constexpr double largest = 0x1.fffffffffffffp1023;
    static constexpr size_t lanes = 8;
    int64_t chunks[count] = {};

    // Numbers of float32 digits and similar size, as losses are, have exact sums in double. What each addition loses is
    // known (Knuth): whether it is nothing, or nothing but an infinity or NaN, which loses NaN. Where numbers have more
    // digits, what they lose is of similar size again. Two lanes per vector, which the vectoriser leaves scalar. `lost`
    // is filled up with zeros.
    static bool add_in_doubles(double* sums, const double* values, size_t n, double* lost) {
        typedef double Two __attribute__((vector_size(16)));
        typedef int64_t TwoBits __attribute__((vector_size(16)));
        constexpr size_t vectors = lanes / 2;
        Two sum[vectors] = {}, value;
        TwoBits any[vectors] = {};
        auto add_lanes = [&](const double* from, double* its_lost) {
#pragma GCC unroll 16
            for (size_t k = 0; k < vectors; ++k) {
                std::memcpy(&value, from + 2 * k, sizeof value);
                Two total = sum[k] + value, part = total - sum[k];
                Two missing = (sum[k] - (total - part)) + (value - part);
                std::memcpy(its_lost + 2 * k, &missing, sizeof missing);
                any[k] |= TwoBits(missing);
                sum[k] = total;
            }
        };
        size_t whole = n / lanes * lanes;
        for (size_t i = 0; i < whole; i += lanes) add_lanes(values + i, lost + i);
        if (whole < n) {
            double rest[lanes] = {};
            std::memcpy(rest, values + whole, (n - whole) * sizeof *rest);
            add_lanes(rest, lost + whole);
            whole += lanes;
        }
        std::memset(lost + whole, 0, (until_carry - whole) * sizeof *lost);
        std::memcpy(sums, sum, sizeof sum);
        int64_t all = 0;
        for (const TwoBits& bits : any) all |= bits[0] | bits[1];
        return (all & INT64_MAX) == 0;  // -0 is no loss
    }

    bool add(double value) {
        int64_t bits;
        std::memcpy(&bits, &value, 8);
        int exponent = int(bits >> 52) & 0x7ff;
        if (exponent == 0x7ff) return false;
        int64_t significand = bits & ((int64_t(1) << 52) - 1);
        if (exponent) significand |= int64_t(1) << 52;
        else exponent = 1;
        if (bits < 0) significand = -significand;
        int position = exponent - 1, shift = position % 32;
        int64_t* chunk = chunks + position / 32;
        chunk[0] += int64_t((uint64_t(significand) << shift) & 0xffffffff);
        chunk[1] += significand >> (32 - shift);
        return true;
    }
    void carry() {
        for (int k = 0; k + 1 < count; ++k) {
            chunks[k + 1] += chunks[k] >> 32;
            chunks[k] &= 0xffffffff;
        }
    }
};

}  // namespace softfloor
