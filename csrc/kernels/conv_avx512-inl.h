// A tile of the convolution with AVX-512: int16 pairs by vpdpwssd.
#include <immintrin.h>

#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

constexpr int kTilePixels = 12, kTileBlocks = 2;

// P output pixels by B blocks of 16 output channels, each in a register.
template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    const int64_t block_size = static_cast<int64_t>(c.tap_count) * c.in_channels * kOutBlock;
    __m512i sum[P][B];
    for (int p = 0; p < P; ++p)
        for (int b = 0; b < B; ++b) sum[p][b] = _mm512_setzero_si512();
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock) {
            __m512i weight[B];
            for (int b = 0; b < B; ++b) weight[b] = _mm512_loadu_si512(w + b * block_size);
            for (int p = 0; p < P; ++p) {
                int32_t two;
                memcpy(&two, in + p * c.pixel_stride + i, sizeof two);
                for (int b = 0; b < B; ++b)
                    sum[p][b] = _mm512_dpwssd_epi32(sum[p][b], _mm512_set1_epi32(two), weight[b]);
            }
        }
    }
    typedef int32_t i32x16 __attribute__((vector_size(64)));
    for (int b = 0; b < B; ++b) {
        const int at = channel + kOutBlock * b;
        const i32x16 bias = load<i32x16>(c.bias + at), shift = load<i32x16>(c.shift + at);
        for (int p = 0; p < P; ++p)
            store(c.out + (pixel + p) * c.out_channels + at, ((i32x16)sum[p][b] + bias) >> shift);
    }
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
