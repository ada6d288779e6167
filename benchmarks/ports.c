/* What this processor starts per cycle, by loops of instructions that do not wait for each other. Prints the clock in
   GHz; then, for vectors of 512 bits if it has them, and of 256: vector operations of all kinds per cycle,
   multiplications, multiplications and additions, and the cycles per division of floats. */
#include <stdio.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Ordinary operands: division of special numbers may be faster. */
static const float divisor = 1.7f, dividend = 3.1f;

/* Nanoseconds per round of the instructions, the shortest of twenty. */
#define TIME(result, instructions)                                                                                \
    do {                                                                                                          \
        result = 1e9;                                                                                             \
        for (int k = 0; k < 20; ++k) {                                                                            \
            double start = now();                                                                                 \
            for (int i = 0; i < 500000; ++i)                                                                      \
                __asm__ volatile(instructions::"m"(divisor), "m"(dividend)                                        \
                                 : "rax", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                                   "xmm9");                                                                       \
            double elapsed = (now() - start) / 500000 * 1e9;                                                      \
            if (elapsed < result) result = elapsed;                                                               \
        }                                                                                                         \
    } while (0)

#define INTO(name, v, to) name " %%" v "0, %%" v "1, %%" v #to "\n"
#define EIGHT(v, a, b, c, d) \
    INTO(a, v, 2) INTO(b, v, 3) INTO(c, v, 4) INTO(d, v, 5) INTO(a, v, 6) INTO(b, v, 7) INTO(c, v, 8) INTO(d, v, 9)
#define TWICE(text) text text
/* 64, so that the two broadcasts of a round, which may take the same ports, do not count. */
#define MANY(v, a, b, c, d) \
    "vbroadcastss %0, %%" v "0\n vbroadcastss %1, %%" v "1\n" TWICE(TWICE(TWICE(EIGHT(v, a, b, c, d))))
#define MEASURE(v)                                                                                     \
    do {                                                                                               \
        double all, multiply, arithmetic, divide;                                                      \
        TIME(all, MANY(v, "vmulps", "vpermps", "vaddps", "vpaddd"));                                   \
        TIME(multiply, MANY(v, "vmulps", "vmulps", "vmulps", "vmulps"));                               \
        TIME(arithmetic, MANY(v, "vmulps", "vaddps", "vmulps", "vaddps"));                             \
        TIME(divide, MANY(v, "vdivps", "vdivps", "vdivps", "vdivps"));                                 \
        printf(" %f %f %f %f", 64 / (all * clock), 64 / (multiply * clock), 64 / (arithmetic * clock), \
               divide * clock / 64);                                                                   \
    } while (0)

int main(void) {
    double chain, clock;
    /* A multiplication of integers takes 3 cycles on every x86-64 processor of the last fifteen years. */
    TIME(chain, "imul %%rax, %%rax\n imul %%rax, %%rax\n imul %%rax, %%rax\n imul %%rax, %%rax\n");
    clock = 12 / chain;
    printf("%f", clock);
    if (__builtin_cpu_supports("avx512f")) MEASURE("zmm");
    MEASURE("ymm");
    return 0;
}
