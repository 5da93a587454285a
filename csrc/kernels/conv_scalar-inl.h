// A tile of the convolution in plain C++: what the other tiles compute.
#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

constexpr int kTilePixels = 6, kTileBlocks = 1;

template <int P, int B>
inline void conv_tile(const ConvRow& c, const int16_t* weights, int64_t pixel, int channel) {
    static_assert(B == 1, "a tile is one block wide");
    uint32_t sum[P][kOutBlock] = {};  // unsigned, as winograd-inl.h lets sums wrap around
    const int16_t* w = weights;
    for (int t = 0; t < c.tap_count; ++t) {
        const int16_t* in = c.taps[t] + pixel * c.pixel_stride;
        for (int i = 0; i < c.in_channels; i += 2, w += 2 * kOutBlock)
            for (int p = 0; p < P; ++p) {
                const int32_t a = in[p * c.pixel_stride + i], b = in[p * c.pixel_stride + i + 1];
                for (int o = 0; o < kOutBlock; ++o) sum[p][o] += static_cast<uint32_t>(a * w[2 * o] + b * w[2 * o + 1]);
            }
    }
    for (int p = 0; p < P; ++p)
        for (int o = 0; o < kOutBlock; ++o)
            c.out[(pixel + p) * c.out_channels + channel + o] =
                static_cast<int32_t>(sum[p][o] + static_cast<uint32_t>(c.bias[channel + o])) >> c.shift[channel + o];
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
