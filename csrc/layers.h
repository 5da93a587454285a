// Layers of the network over whole maps, a row at a time, rows split over threads.
#pragma once
#include "network.h"

namespace aec {

Conv load_conv(const Tensors& tensors, const std::string& name, int in, int out, int taps);
Block load_block(const Tensors& tensors, const std::string& name, int channels, int hidden);

// A 1x1 convolution of one row: in [width][conv.in], clamped already, to out [width][conv.out].
void conv_1x1(const Conv& conv, const int16_t* in, long width, int32_t* out);

// Rows y-1 .. y+1 of a map, clamped, with a zero pixel at both ends and zero rows outside: [3][width + 2][channels].
void gather_3x3(const Features& x, long y, std::vector<int16_t>& rows);
void conv_3x3(const Conv& conv, const std::vector<int16_t>& rows, long width, int32_t* out);

Features residual_block(const Block& block, const Features& x, int quality, int threads);
Features downsample(const Conv& conv, const Features& x, int threads);  // 2x2, stride 2
Features upsample(const Conv& conv, const Features& x, int threads);    // 1x1, then pixels shuffled 2x2

}  // namespace aec
