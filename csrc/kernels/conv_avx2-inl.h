// A tile of the convolution with AVX2: int16 pairs by vpmaddwd.
#include <immintrin.h>

#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

constexpr int kTilePixels = 6, kTileBlocks = 1;

// P output pixels by 16 output channels, held in 2P registers.
template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    static_assert(B == 1, "a tile is one block wide");
    __m256i sum[P][2];
    for (int p = 0; p < P; ++p) sum[p][0] = sum[p][1] = _mm256_setzero_si256();
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock) {
            const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
            const __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 16));
            for (int p = 0; p < P; ++p) {
                int32_t two;
                memcpy(&two, in + p * c.pixel_stride + i, sizeof two);
                const __m256i x = _mm256_set1_epi32(two);
                sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(x, w0));
                sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(x, w1));
            }
        }
    }
    for (int half = 0; half < 2; ++half) {
        const __m256i bias = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c.bias + channel + 8 * half));
        const __m256i shift = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(c.shift + channel + 8 * half));
        for (int p = 0; p < P; ++p) {
            int32_t* out = c.out + (pixel + p) * c.out_channels + channel + 8 * half;
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                                _mm256_srav_epi32(_mm256_add_epi32(sum[p][half], bias), shift));
        }
    }
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
