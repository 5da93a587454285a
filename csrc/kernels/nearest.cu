// The nearest-codeword search on a CUDA device: a thread a query around the same body as the CPU's.
#include "kernels/nearest.h"

#include <cuda_runtime.h>
#include <string.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace aec {
namespace {

#include "kernels/nearest_cost-inl.h"

constexpr int kMaxDimensions = 16;

template <bool kWeighted>
__global__ void nearest_kernel(const float* z, const float* weight, const float* codebook, const float* norm, int64_t n,
                               int d, int k, int32_t* index) {
    const int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i >= n) return;
    float twice[kMaxDimensions], own[kMaxDimensions];
    for (int j = 0; j < d; ++j) twice[j] = 2.0f * z[i * d + j], own[j] = kWeighted ? weight[i * d + j] : 0.0f;
    int best = 0;
    float lowest = codeword_cost<kWeighted>(norm[0], twice, own, codebook, k, d);
    for (int c = 1; c < k; ++c) {
        const float cost = codeword_cost<kWeighted>(norm[c], twice, own, codebook + c, k, d);
        if (cost < lowest) lowest = cost, best = c;
    }
    index[i] = best;
}

void check(cudaError_t error) {
    if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

template <class T>
struct DeviceBuffer {  // frees itself
    T* data = nullptr;
    explicit DeviceBuffer(size_t count, const T* from = nullptr) {
        check(cudaMalloc(&data, count * sizeof(T)));
        if (from) check(cudaMemcpy(data, from, count * sizeof(T), cudaMemcpyHostToDevice));
    }
    ~DeviceBuffer() { cudaFree(data); }
    DeviceBuffer(const DeviceBuffer&) = delete;
};

}  // namespace

bool cuda_available() {
    int devices = 0;
    return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
}

void nearest_cuda(const float* z, const float* weight, const float* codebook, const float* bias, int64_t n, int d,
                  int k, int32_t* index) {
    if (d > kMaxDimensions) throw std::runtime_error("CUDA: at most 16 dimensions");
    if (n == 0) return;
    const std::vector<float> norm = codeword_norms(codebook, bias, d, k);
    DeviceBuffer<float> dz(n * d, z), dc(static_cast<size_t>(d) * k, codebook), db(k, norm.data());
    DeviceBuffer<float> dw(weight ? n * d : 1, weight);
    DeviceBuffer<int32_t> di(n);
    const unsigned threads = 256, blocks = static_cast<unsigned>((n + threads - 1) / threads);
    if (weight) nearest_kernel<true><<<blocks, threads>>>(dz.data, dw.data, dc.data, db.data, n, d, k, di.data);
    else nearest_kernel<false><<<blocks, threads>>>(dz.data, nullptr, dc.data, db.data, n, d, k, di.data);
    check(cudaGetLastError());
    check(cudaMemcpy(index, di.data, n * sizeof(int32_t), cudaMemcpyDeviceToHost));
}

}  // namespace aec
