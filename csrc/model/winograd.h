// The weights of 3x3 convolutions for Winograd's minimal filtering: kernels/winograd-inl.h says what it is.
#pragma once
#include <cstdint>
#include <vector>

namespace aec {

constexpr int kWinogradPlanes = 16;  // products of a tile of 2x2 outputs

// (2G) w (2G)^T of weights [out][in][3][3], packed as kernels want them, [16][out / 16][in / 2][16][2]; nothing if one
// of them does not fit an int16, or four times a sum does not fit an int32.
std::vector<int16_t> winograd_weights(const int16_t* weights, int in, int out);

}  // namespace aec
