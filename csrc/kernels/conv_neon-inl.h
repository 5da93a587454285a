// A tile of the convolution with NEON: widening multiply-adds of one int16 each.
#include <arm_neon.h>

#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

constexpr int kTilePixels = 6, kTileBlocks = 1;

template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    static_assert(B == 1, "a tile is one block wide");
    int32x4_t sum[P][4];
    for (int p = 0; p < P; ++p)
        for (int q = 0; q < 4; ++q) sum[p][q] = vdupq_n_s32(0);
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock) {
            const int16x8x2_t w0 = vld2q_s16(w), w1 = vld2q_s16(w + 16);  // .val[0] of input i, .val[1] of input i + 1
            for (int p = 0; p < P; ++p)
                for (int j = 0; j < 2; ++j) {
                    const int16_t x = in[p * c.pixel_stride + i + j];
                    sum[p][0] = vmlal_n_s16(sum[p][0], vget_low_s16(w0.val[j]), x);
                    sum[p][1] = vmlal_n_s16(sum[p][1], vget_high_s16(w0.val[j]), x);
                    sum[p][2] = vmlal_n_s16(sum[p][2], vget_low_s16(w1.val[j]), x);
                    sum[p][3] = vmlal_n_s16(sum[p][3], vget_high_s16(w1.val[j]), x);
                }
        }
    }
    for (int q = 0; q < 4; ++q) {
        const int32x4_t bias = vld1q_s32(c.bias + channel + 4 * q),
                        shift = vnegq_s32(vld1q_s32(c.shift + channel + 4 * q));
        for (int p = 0; p < P; ++p)
            vst1q_s32(c.out + (pixel + p) * c.out_channels + channel + 4 * q,
                      vshlq_s32(vaddq_s32(sum[p][q], bias), shift));
    }
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
