// Bodies of the kernels, included once for each instruction set with AEC_TARGET naming it. Most are written with the
// compiler's vector types (GCC and Clang), so one text serves all; only the convolution has intrinsics. Floating-point
// contraction is off and every sum has one order, so that all variants agree bit for bit.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#if defined(AEC_USE_AVX512) || defined(AEC_USE_AVX2)
#include <immintrin.h>
#elif defined(AEC_USE_NEON)
#include <arm_neon.h>
#endif

#include "kernels/kernels.h"
#include "kernels/nearest-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));

template <class V, class T>
inline V load(const T* p) {
    V v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class V, class T>
inline void store(T* p, V v) {
    std::memcpy(p, &v, sizeof v);
}
inline f32x8 splat(float x) { return f32x8{x, x, x, x, x, x, x, x}; }
inline i32x8 splat(int32_t x) { return i32x8{x, x, x, x, x, x, x, x}; }
inline float sum(f32x8 v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

// The least of many costs, as many at a time as F has lanes, and where it is: the lowest index where costs tie.
template <class F, class I>
struct Minimum {
    static constexpr int kLanes = sizeof(F) / sizeof(float);
    F best = F{} + std::numeric_limits<float>::infinity();
    I at = {}, lane = numbers();

    static I numbers() {
        int32_t n[kLanes];
        for (int i = 0; i < kLanes; ++i) n[i] = i;
        return load<I>(n);
    }
    void offer(F cost, int first) {  // of indices first, first + 1, ...; each lane keeps its earliest
        const I less = cost < best;
        best = less ? cost : best;
        at = less ? lane + first : at;
    }
    int index(float& cost) const {  // without branches, as nothing could predict them
        cost = least<float>(best);
        return least<int32_t>(best == F{} + cost ? at : I{} + std::numeric_limits<int32_t>::max());
    }

private:
    template <class T, class V>
    static T least(V lanes) {
        T x[kLanes];
        store(x, lanes);
        for (int half = kLanes / 2; half; half /= 2)
            for (int i = 0; i < half; ++i) x[i] = x[i + half] < x[i] ? x[i + half] : x[i];
        return x[0];
    }
};
using RunningMinimum = Minimum<f32x8, i32x8>;

#include "kernels/conv-inl.h"
#include "kernels/prior-inl.h"
#include "kernels/quantiser-inl.h"

#if defined(AEC_USE_AVX512)
constexpr int kNearestLanes = 16;
#else
constexpr int kNearestLanes = 8;
#endif
typedef float f32xn __attribute__((vector_size(4 * kNearestLanes)));
typedef int32_t i32xn __attribute__((vector_size(4 * kNearestLanes)));

// The nearest codewords of kQueries queries; d is kDimensions, or that is 0.
template <bool kWeighted, int kQueries, int kDimensions>
inline void nearest_of(const float* twice_z, const float* weight, const float* codebook, const float* norm,
                       int dimensions, int k, int32_t* index) {
    const int d = kDimensions ? kDimensions : dimensions;
    Minimum<f32xn, i32xn> minimum[kQueries];
    int j = 0;
    for (; j + kNearestLanes <= k; j += kNearestLanes)
        for (int q = 0; q < kQueries; ++q)
            minimum[q].offer(
                codeword_cost<kWeighted>(load<f32xn>(norm + j), twice_z + q * d, weight + q * d, codebook + j, k, d),
                j);
    for (int q = 0; q < kQueries; ++q) {
        float cost;
        index[q] = minimum[q].index(cost);
        for (int rest = j; rest < k; ++rest) {
            const float c =
                codeword_cost<kWeighted>(norm[rest], twice_z + q * d, weight + q * d, codebook + rest, k, d);
            if (c < cost) cost = c, index[q] = rest;
        }
    }
}

template <bool kWeighted, int kDimensions>
inline void nearest_block(const float* z, const float* weight, const float* codebook, const float* norm, int64_t begin,
                          int64_t end, int d, int k, int32_t* index) {
    constexpr int kQueries = 4;
    std::vector<float> twice(kQueries * d);
    for (int64_t n = begin; n < end; n += kQueries) {
        const int count = static_cast<int>(std::min<int64_t>(kQueries, end - n));
        for (int i = 0; i < count * d; ++i) twice[i] = 2.0f * z[n * d + i];
        const float* own = kWeighted ? weight + n * d : twice.data();  // not read where there are no weights
        if (count == kQueries)
            nearest_of<kWeighted, kQueries, kDimensions>(twice.data(), own, codebook, norm, d, k, index + n);
        else
            for (int q = 0; q < count; ++q)
                nearest_of<kWeighted, 1, kDimensions>(twice.data() + q * d, own + q * d, codebook, norm, d, k,
                                                      index + n + q);
    }
}

void nearest(const float* z, const float* weight, const float* codebook, const float* bias, int64_t begin, int64_t end,
             int d, int k, int32_t* index) {
    std::vector<float> norm(k);
    for (int c = 0; c < k; ++c) norm[c] = codeword_norm(codebook + c, k, d, bias[c]);
    const auto block = weight ? (d == kGroup ? nearest_block<true, kGroup> : nearest_block<true, 0>)
                              : (d == kGroup ? nearest_block<false, kGroup> : nearest_block<false, 0>);
    block(z, weight, codebook, norm.data(), begin, end, d, k, index);
}

}  // namespace
}  // namespace AEC_TARGET

#define AEC_NAME_2(x) #x
#define AEC_NAME(x) AEC_NAME_2(x)
#define AEC_TABLE_2(x) x##_kernels
#define AEC_TABLE(x) AEC_TABLE_2(x)
extern const Kernels AEC_TABLE(AEC_TARGET);
const Kernels AEC_TABLE(AEC_TARGET) = {
    AEC_NAME(AEC_TARGET),
    AEC_TARGET::conv_row,
    AEC_TARGET::film,
    AEC_TARGET::leaky,
    AEC_TARGET::add,
    AEC_TARGET::clamp,
    AEC_TARGET::nearest,
    AEC_TARGET::exponents,
    AEC_TARGET::frequencies,
    AEC_TARGET::quantise,
    AEC_TARGET::quantise_gradient,
};

}  // namespace aec
