// One row of the convolution, from tiles: conv_tile, kTilePixels and kTileBlocks are those of the unit's conv_*-inl.h.
#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

// B blocks of output channels, over the whole row.
template <int B>
inline void conv_blocks(const ConvRow& c, int channel) {
    const int16_t* weights = c.weights + static_cast<int64_t>(channel) * c.tap_count * c.in_channels;
    int64_t pixel = 0;
    for (; pixel + kTilePixels <= c.width; pixel += kTilePixels) conv_tile<kTilePixels, B>(c, weights, pixel, channel);
    for (; pixel + 2 <= c.width; pixel += 2) conv_tile<2, B>(c, weights, pixel, channel);
    for (; pixel < c.width; ++pixel) conv_tile<1, B>(c, weights, pixel, channel);
}

void conv_row(const ConvRow& c) {
    int channel = 0;
    for (; channel + kTileBlocks * kOutBlock <= c.out_channels; channel += kTileBlocks * kOutBlock)
        conv_blocks<kTileBlocks>(c, channel);
    for (; channel < c.out_channels; channel += kOutBlock) conv_blocks<1>(c, channel);
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
