// Layers of the network: their weights, checked and packed, and what they do to one row.
#pragma once
#include "runtime/network.h"

namespace aec {

Conv load_conv(const Tensors& tensors, const std::string& name, int in, int out, int taps);
Block load_block(const Tensors& tensors, const std::string& name, int channels, int hidden);

// A 1x1 convolution of one row: in [width][conv.in], clamped already, to out [width][conv.out].
void conv_1x1(const Conv& conv, const int16_t* in, int64_t width, int32_t* out);
void saturate(const int32_t* in, int16_t* out, int64_t count);

}  // namespace aec
