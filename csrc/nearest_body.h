// The cost that a codeword is searched by: one definition, used by the portable path and by the CUDA kernel.
#pragma once

#if defined(__CUDACC__)
#define AEC_HOST_DEVICE __host__ __device__
#else
#define AEC_HOST_DEVICE
#endif

namespace aec {

// |z - c|^2 + sum_i weight_i c_i^2 + bias, less |z|^2, which is the same for every codeword.
// scale_i = 1 + weight_i. `c` points at the codeword's first dimension; the next is `stride` floats on.
AEC_HOST_DEVICE inline float codeword_cost(const float* z, const float* scale, const float* c, long stride, int d, float bias) {
    float cost = bias;
    for (int i = 0; i < d; ++i) {
        const float x = c[i * stride];
        cost += x * (scale[i] * x - 2.0f * z[i]);
    }
    return cost;
}

// The index of the cheapest of k codewords; the lowest index wins ties.
AEC_HOST_DEVICE inline int nearest_codeword(const float* z, const float* scale, const float* codebook, long stride, int d,
                                            const float* bias, int k) {
    int best = 0;
    float best_cost = codeword_cost(z, scale, codebook, stride, d, bias[0]);
    for (int j = 1; j < k; ++j) {
        const float cost = codeword_cost(z, scale, codebook + j, stride, d, bias[j]);
        if (cost < best_cost) best_cost = cost, best = j;
    }
    return best;
}

}  // namespace aec
