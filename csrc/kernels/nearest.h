// Nearest codeword of many queries; no N x K matrix is made.
#pragma once
#include <cstdint>
#include <vector>

namespace aec {

// index[n] = argmin_k |z_n - c_k|^2 + sum_i weight_ni c_ki^2 + bias_k, the lowest index if costs tie.
// z, weight [n][d], weight may be null; codebook [d][k], dimension-major; bias [k].
void nearest(const float* z, const float* weight, const float* codebook, const float* bias, int64_t n, int d, int k,
             int threads, int32_t* index);

// bias + |c|^2 of every codeword
std::vector<float> codeword_norms(const float* codebook, const float* bias, int d, int k);

#if defined(AEC_HAVE_CUDA)
bool cuda_available();
// The same on the first CUDA device, from and to host memory; throws std::runtime_error if the device fails.
void nearest_cuda(const float* z, const float* weight, const float* codebook, const float* bias, int64_t n, int d,
                  int k, int32_t* index);
#endif

}  // namespace aec
