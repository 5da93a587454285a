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

void clamp(const int16_t* in, int16_t* out, int64_t count, int16_t limit) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int16_t>(clamp_to(in[i], -limit, limit));
}

inline int32_t magnitude(int32_t x) { return higher(x, -x); }

void prior_inputs(const int16_t* const* rows, int channels, int64_t width, uint16_t* columns, int16_t* out) {
    const int16_t* __restrict above = rows[0], * __restrict at = rows[1], * __restrict below = rows[2];
    uint16_t* __restrict sums = columns;
    for (int64_t i = 0; i < (width + 2) * channels; ++i)
        sums[i] = static_cast<uint16_t>(magnitude(above[i]) + magnitude(at[i]) + magnitude(below[i]));
    for (int64_t x = 0; x < width; ++x) {
        int16_t* __restrict to = out + 3 * x * channels;
        const int16_t* centre = at + (x + 1) * channels;
        const uint16_t *left = sums + x * channels, *middle = left + channels, *right = middle + channels;
        for (int i = 0; i < channels; ++i) {
            to[i] = centre[i];
            to[channels + i] = static_cast<int16_t>(magnitude(centre[i]));
        }
        for (int i = 0; i < channels; ++i) {
            const int32_t energy = left[i] + middle[i] + right[i];  // of 3x3 positions
            to[2 * channels + i] = static_cast<int16_t>((energy * kNinth + (1 << (kNinthBits - 1))) >> kNinthBits);
        }
    }
}

void prior_outputs(const int32_t* in, const int16_t* log_gain, int64_t width, int64_t d, int16_t* mu, uint8_t* sigma) {
    const int16_t* __restrict gain = log_gain;
    for (int64_t x = 0; x < width; ++x) {
        const int32_t* __restrict mean = in + x * 2 * d, * __restrict spread = mean + d;
        int16_t* __restrict to = mu + x * d;
        uint8_t* __restrict index = sigma + x * d;
        for (int64_t i = 0; i < d; ++i) to[i] = to_int16(mean[i]);
        for (int64_t i = 0; i < d; ++i) {  // log2 σ in 1/64 octaves, in features; the gain makes it steps
            const int32_t log_sigma = clamp_to(spread[i], -kLogSigmaMax, kLogSigmaMax) + gain[i];
            const int32_t step =
                ((log_sigma + (1 << (kSigmaShift - 1))) >> kSigmaShift) - kSigmaOctaveMin * kSigmaPerOctave;
            index[i] = static_cast<uint8_t>(clamp_to(step, 0, kSigmaCount - 1));
        }
    }
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
