// The element-wise steps around the convolution.
#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

inline int32_t clamp_to(int32_t x, int32_t limit_low, int32_t limit_high) {
    return lower(limit_high, higher(limit_low, x));
}
inline int16_t to_int16(int32_t x) { return static_cast<int16_t>(clamp_to(x, -32768, 32767)); }
inline int16_t to_conv_input(int32_t x) { return static_cast<int16_t>(clamp_to(x, -kConvInputMax, kConvInputMax)); }
inline int32_t leaky_relu(int32_t x) { return higher(x, x >> kLeakShift); }

void film(const int32_t* in, const int16_t* scale, const int16_t* shift, int16_t* out, int64_t width, int64_t n) {
    for (int64_t p = 0; p < width; ++p)
        for (int64_t i = 0; i < n; ++i) {
            const int32_t y = (to_int16(in[p * n + i]) * scale[i] + (1 << (kFilmBits - 1))) >> kFilmBits;
            out[p * n + i] = to_conv_input(leaky_relu(y + shift[i]));
        }
}

void leaky(const int32_t* in, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = to_conv_input(leaky_relu(in[i]));
}

void add(const int16_t* x, const int32_t* y, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = to_int16(x[i] + clamp_to(y[i], -kAddendMax, kAddendMax));
}

void clamp(const int16_t* in, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = to_conv_input(in[i]);
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
