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

    // False for an infinity or NaN.
    bool add(const double* values, size_t n) {
        constexpr size_t until_carry = 1024;
        for (size_t i = 0; i < n; i += until_carry) {
            size_t some = n - i < until_carry ? n - i : until_carry;
            double sums[lanes] = {};
            bool nothing_lost = add_in_doubles(sums, values + i, some);
            const double* terms = nothing_lost ? sums : values + i;
            for (size_t k = 0; k < (nothing_lost ? lanes : some); ++k)
                if (!add(terms[k])) return false;
            carry();
        }
        return true;
    }

    // Doubles with the same exact sum, of one sign, the largest first; at most count. Returns how many. Infinite where
    // the sum is beyond the largest double.
    int terms(double* to) {
        double sign = 1.0;
        if (chunks[count - 1] < 0) {
            for (int64_t& chunk : chunks) chunk = -chunk;
            carry();
            sign = -1.0;
        }
        int found = 0;
        for (int k = count - 1; k >= 0; --k)
            if (chunks[k]) to[found++] = sign * std::ldexp(double(chunks[k]), 32 * k - 1074);
        return found;
    }

  private:
    static constexpr size_t lanes = 16;
    int64_t chunks[count] = {};

    // Numbers of float32 digits and similar size, as losses are, have exact sums in double. What each addition loses is
    // known (Knuth), so it is seen if they have not: or if there is an infinity or NaN, which loses NaN.
    static bool add_in_doubles(double* sums, const double* values, size_t n) {
        double lost[lanes] = {};
        auto add_lane = [&](size_t j, double value) {
            double sum = sums[j] + value, part = sum - sums[j];
            lost[j] += std::fabs((sums[j] - (sum - part)) + (value - part));
            sums[j] = sum;
        };
        size_t i = 0;
        for (; i + lanes <= n; i += lanes)
            for (size_t j = 0; j < lanes; ++j) add_lane(j, values[i + j]);
        for (size_t j = 0; i + j < n; ++j) add_lane(j, values[i + j]);
        bool nothing_lost = true;
        for (double error : lost) nothing_lost &= error == 0;
        return nothing_lost;
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
