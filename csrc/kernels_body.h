// Bodies of the kernels, included once for each instruction set with AEC_TARGET naming it. Most are written with the
// compiler's vector types (GCC and Clang), so one text serves all; only the convolution has intrinsics. Floating-point
// contraction is off and every sum has one order, so that all variants agree bit for bit.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(AEC_USE_AVX512) || defined(AEC_USE_AVX2)
#include <immintrin.h>
#elif defined(AEC_USE_NEON)
#include <arm_neon.h>
#endif

#include "kernels.h"
#include "nearest_body.h"

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

// The least of many costs, eight at a time, and where it is: the lowest index where costs tie.
struct RunningMinimum {
    f32x8 best = splat(std::numeric_limits<float>::infinity());
    i32x8 at = splat(0);

    void offer(f32x8 cost, int first) {  // of indices first .. first + 7; each lane keeps its earliest
        const i32x8 less = cost < best, lane = {0, 1, 2, 3, 4, 5, 6, 7};
        best = less ? cost : best;
        at = less ? splat(first) + lane : at;
    }
    int index(float& cost) const {
        int found = at[0];
        cost = best[0];
        for (int i = 1; i < 8; ++i)
            if (best[i] < cost || (best[i] == cost && at[i] < found)) cost = best[i], found = at[i];
        return found;
    }
};

#include "conv_body.h"
#include "prior_body.h"
#include "quantiser_body.h"

void nearest(const float* z, const float* weight, const float* codebook, const float* bias, long begin, long end, int d, int k,
             int32_t* index) {
    // Codewords go eight to a vector; each lane keeps its own running minimum, and `<` keeps the earliest in a lane.
    constexpr int kMaxDimensions = 16;
    const int vectors = d <= kMaxDimensions ? k / 8 : 0;
    for (long n = begin; n < end; ++n) {
        float scale[kMaxDimensions], minus_2z[kMaxDimensions];
        const float* query = z + n * d;
        if (vectors)
            for (int i = 0; i < d; ++i) scale[i] = 1.0f + (weight ? weight[n * d + i] : 0.0f), minus_2z[i] = 2.0f * query[i];
        RunningMinimum minimum;
        for (int v = 0; v < vectors; ++v) {
            f32x8 cost = load<f32x8>(bias + 8 * v);
            for (int i = 0; i < d; ++i) {
                const f32x8 x = load<f32x8>(codebook + static_cast<long>(i) * k + 8 * v);
                cost += x * (splat(scale[i]) * x - splat(minus_2z[i]));
            }
            minimum.offer(cost, 8 * v);
        }
        float cost;
        int at = minimum.index(cost);
        for (int j = 8 * vectors; j < k; ++j) {  // what does not fill a vector, and large d
            float c = bias[j];
            for (int i = 0; i < d; ++i) {
                const float x = codebook[static_cast<long>(i) * k + j], w = weight ? weight[n * d + i] : 0.0f;
                c += x * ((1.0f + w) * x - 2.0f * query[i]);
            }
            if (c < cost) cost = c, at = j;
        }
        index[n] = at;
    }
}

}  // namespace
}  // namespace AEC_TARGET

#define AEC_NAME_2(x) #x
#define AEC_NAME(x) AEC_NAME_2(x)
#define AEC_TABLE_2(x) x##_kernels
#define AEC_TABLE(x) AEC_TABLE_2(x)
extern const Kernels AEC_TABLE(AEC_TARGET);
const Kernels AEC_TABLE(AEC_TARGET) = {
    AEC_NAME(AEC_TARGET),     AEC_TARGET::conv_row, AEC_TARGET::film,        AEC_TARGET::leaky,    AEC_TARGET::add,
    AEC_TARGET::clamp,        AEC_TARGET::nearest,  AEC_TARGET::exponents, AEC_TARGET::frequencies, AEC_TARGET::quantise, AEC_TARGET::quantise_gradient,
};

}  // namespace aec
