// What every kernel is made of: vectors, and a few functions in place of the standard library's. Included by one unit
// an instruction set, with AEC_TARGET naming it. Most kernels are written with the compiler's vector types (GCC and
// Clang), so one text serves all; only the convolution's tile has intrinsics. Floating-point contraction is off and
// every sum has one order, so that all variants agree bit for bit.
//
// Everything here and in the other *-inl.h lies in an unnamed namespace of the target's own, and no template or inline
// function of the standard library is called. Those would be weak symbols wherever the compiler does not inline them;
// of several units' copies the linker keeps any one, such as that with AVX-512, for all callers, the scalar ones as
// well. tests/test_isolation.py checks it.
#pragma once
#include <math.h>
#include <string.h>

#include <cstdint>
#include <limits>

#include "kernels/kernels.h"

namespace aec {
namespace AEC_TARGET {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int32_t kIntMax = std::numeric_limits<int32_t>::max();

template <class T>
inline T lower(T a, T b) {
    return b < a ? b : a;
}
template <class T>
inline T higher(T a, T b) {
    return a < b ? b : a;
}

typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));

template <class V, class T>
inline V load(const T* p) {
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}
template <class V, class T>
inline void store(T* p, V v) {
    memcpy(p, &v, sizeof v);
}
inline f32x8 splat(float x) { return f32x8{x, x, x, x, x, x, x, x}; }
inline i32x8 splat(int32_t x) { return i32x8{x, x, x, x, x, x, x, x}; }
inline float sum(f32x8 v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

template <class T, class V>
inline T least_lane(V lanes) {
    constexpr int kLanes = sizeof(V) / sizeof(T);
    T x[kLanes];
    store(x, lanes);
    for (int half = kLanes / 2; half; half /= 2)
        for (int i = 0; i < half; ++i) x[i] = lower(x[i], x[i + half]);
    return x[0];
}
inline float least(f32x8 v) { return least_lane<float>(v); }
inline int32_t least(i32x8 v) { return least_lane<int32_t>(v); }

// The least of many costs and its index, the lowest if costs tie. F and I are vectors of floats and of int32s.
template <class F, class I>
struct Minimum {
    static constexpr int kLanes = sizeof(F) / sizeof(float);
    F best = F{} + kInfinity;
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
        cost = least_lane<float>(best);
        return least_lane<int32_t>(best == F{} + cost ? at : I{} + kIntMax);
    }
};
using RunningMinimum = Minimum<f32x8, i32x8>;

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
