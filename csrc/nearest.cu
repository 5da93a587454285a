// The nearest-codeword search on a CUDA device: a thread a query around the same body as the CPU's.
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "nearest.h"
#include "nearest_body.h"

namespace aec {
namespace {

constexpr int kMaxDimensions = 16;

__global__ void nearest_kernel(const float* z, const float* weight, const float* codebook, const float* bias, long n, int d, int k,
                               int32_t* index) {
    const long i = blockIdx.x * static_cast<long>(blockDim.x) + threadIdx.x;
    if (i >= n) return;
    float query[kMaxDimensions], scale[kMaxDimensions];
    for (int j = 0; j < d; ++j) query[j] = z[i * d + j], scale[j] = 1.0f + (weight ? weight[i * d + j] : 0.0f);
    index[i] = nearest_codeword(query, scale, codebook, k, d, bias, k);
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

void nearest_cuda(const float* z, const float* weight, const float* codebook, const float* bias, long n, int d, int k, int32_t* index) {
    if (d > kMaxDimensions) throw std::runtime_error("CUDA: at most 16 dimensions");
    if (n == 0) return;
    DeviceBuffer<float> dz(n * d, z), dc(static_cast<size_t>(d) * k, codebook), db(k, bias);
    DeviceBuffer<float> dw(weight ? n * d : 1, weight);
    DeviceBuffer<int32_t> di(n);
    const int threads = 256;
    nearest_kernel<<<static_cast<unsigned>((n + threads - 1) / threads), threads>>>(dz.data, weight ? dw.data : nullptr, dc.data, db.data,
                                                                                    n, d, k, di.data);
    check(cudaGetLastError());
    check(cudaMemcpy(index, di.data, n * sizeof(int32_t), cudaMemcpyDeviceToHost));
}

}  // namespace aec
