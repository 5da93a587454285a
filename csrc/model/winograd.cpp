#include "model/winograd.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "model/constants.h"

namespace aec {
namespace {

constexpr int kTaps = 9;
constexpr int kTwiceG[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};

std::array<int32_t, kWinogradPlanes> transformed(const int16_t* w) {
    std::array<int32_t, kWinogradPlanes> result{};
    for (int y = 0; y < 4; ++y)
        for (int x = 0; x < 4; ++x)
            for (int i = 0; i < 3; ++i)
                for (int j = 0; j < 3; ++j) result[y * 4 + x] += kTwiceG[y][i] * w[i * 3 + j] * kTwiceG[x][j];
    return result;
}

}  // namespace

std::vector<int16_t> winograd_weights(const int16_t* weights, int in, int out) {
    const int64_t plane = int64_t{in} * out;
    std::vector<int16_t> packed(static_cast<size_t>(kWinogradPlanes * plane));
    for (int o = 0; o < out; ++o) {
        int64_t sum = 0;
        for (int i = 0; i < in; ++i) {
            const int16_t* w = weights + (int64_t{o} * in + i) * kTaps;
            for (int t = 0; t < kTaps; ++t) sum += std::abs(w[t]);
            const auto planes = transformed(w);
            const int64_t at =
                (int64_t{o / kOutBlock} * (in / 2) + i / 2) * kOutBlock * 2 + int64_t{o % kOutBlock} * 2 + i % 2;
            for (int k = 0; k < kWinogradPlanes; ++k) {
                if (std::abs(planes[k]) > INT16_MAX) return {};
                packed[static_cast<size_t>(k * plane + at)] = static_cast<int16_t>(planes[k]);
            }
        }
        if (4 * sum * kSpatialInputMax > INT32_MAX) return {};
    }
    return packed;
}

}  // namespace aec
