// The nearest-codeword search: four queries at a time, so that a load of codewords serves them all.
#include "kernels/simd-inl.h"

namespace aec {
namespace AEC_TARGET {
namespace {

#include "kernels/nearest_cost-inl.h"

typedef float f32xn __attribute__((vector_size(4 * AEC_NEAREST_LANES)));
typedef int32_t i32xn __attribute__((vector_size(4 * AEC_NEAREST_LANES)));

// The nearest codewords of kQueries queries; d is kDimensions, or that is 0.
template <bool kWeighted, int kQueries, int kDimensions>
inline void nearest_of(const float* twice_z, const float* weight, const float* codebook, const float* norm,
                       int dimensions, int k, int32_t* index) {
    const int d = kDimensions ? kDimensions : dimensions;
    Minimum<f32xn, i32xn> minimum[kQueries];
    int j = 0;
    for (; j + AEC_NEAREST_LANES <= k; j += AEC_NEAREST_LANES)
        for (int q = 0; q < kQueries; ++q)
            minimum[q].offer(
                codeword_cost<kWeighted>(load<f32xn>(norm + j), twice_z + q * d, weight + q * d, codebook + j, k, d),
                j);
    for (int q = 0; q < kQueries; ++q) {
        float cost;
        index[q] = minimum[q].index(cost);
        for (int rest = j; rest < k; ++rest) {
            const float c =
                codeword_cost<kWeighted>(norm[rest], twice_z + q * d, weight + q * d, codebook + rest, k, d);
            if (c < cost) cost = c, index[q] = rest;
        }
    }
}

template <bool kWeighted, int kDimensions>
inline void nearest_block(const NearestSearch& s, const float* z, const float* weight, int64_t count, float* scratch,
                          int32_t* index) {
    const int d = s.dimensions;
    for (int64_t n = 0; n < count; n += kNearestQueries) {
        const int queries = static_cast<int>(lower<int64_t>(kNearestQueries, count - n));
        for (int i = 0; i < queries * d; ++i) scratch[i] = 2.0f * z[n * d + i];
        const float* own = kWeighted ? weight + n * d : scratch;  // not read if there are no weights
        if (queries == kNearestQueries)
            nearest_of<kWeighted, kNearestQueries, kDimensions>(scratch, own, s.codebook, s.norm, d, s.codewords,
                                                                index + n);
        else
            for (int q = 0; q < queries; ++q)
                nearest_of<kWeighted, 1, kDimensions>(scratch + q * d, own + q * d, s.codebook, s.norm, d, s.codewords,
                                                      index + n + q);
    }
}

void nearest(const NearestSearch& s, const float* z, const float* weight, int64_t count, float* scratch,
             int32_t* index) {
    const auto block = weight ? (s.dimensions == kGroup ? nearest_block<true, kGroup> : nearest_block<true, 0>)
                              : (s.dimensions == kGroup ? nearest_block<false, kGroup> : nearest_block<false, 0>);
    block(s, z, weight, count, scratch, index);
}

}  // namespace
}  // namespace AEC_TARGET
}  // namespace aec
