// The quantiser over batches on a CUDA device: a warp a group, around the bodies of quantiser_team-inl.h. All pointers
// are the device's.
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/quantiser_team-inl.h"
#include "training/quantiser.h"

namespace aec {
namespace {

constexpr int kWarp = 32, kWarps = 4;  // threads; warps of a block, which has groups of one kind
constexpr int kRounds = 8;             // groups that a warp works on, so that its block's tables are loaded once
constexpr int kChunk = 512;            // groups whose table terms a block sums

struct Warp {
    __device__ int rank() const { return threadIdx.x % kWarp; }
    __device__ int size() const { return kWarp; }
    __device__ float sum(float x) const {
        for (int d = kWarp / 2; d; d /= 2) x += __shfl_xor_sync(~0u, x, d);
        return x;
    }
    __device__ float least(float x) const {
        for (int d = kWarp / 2; d; d /= 2) x = fminf(x, __shfl_xor_sync(~0u, x, d));
        return x;
    }
    __device__ void cheapest(float& cost, int& index) const {
        for (int d = kWarp / 2; d; d /= 2) {
            const float c = __shfl_xor_sync(~0u, cost, d);
            const int k = __shfl_xor_sync(~0u, index, d);
            if (c < cost || (c == cost && k < index)) cost = c, index = k;
        }
    }
};

__global__ void prefixes(StageQuantiser q, int32_t* prefix) {  // [groups + 1][kSigmaCount]
    const bool coarse = static_cast<int>(blockIdx.x) == q.groups;
    const float* codebook = coarse ? q.coarse : q.fine + static_cast<int64_t>(blockIdx.x) * kGroup * q.codewords;
    prefix[blockIdx.x * kSigmaCount + threadIdx.x] =
        team::training_prefix(codebook, q.codewords, q.variance[coarse], threadIdx.x);
}

// A block's tables in its shared memory.
struct Shared {
    float fine[kGroup * kMaxCodewords], coarse[kGroup * kMaxCodewords], log_weight[2 * kMaxCodewords];

    __device__ GroupQuantiser load(const StageQuantiser& q, const int32_t* prefix, int group) {
        const int64_t words = kGroup * q.codewords;
        for (int i = threadIdx.x; i < words; i += blockDim.x)
            fine[i] = q.fine[group * words + i], coarse[i] = q.coarse[i];
        for (int i = threadIdx.x; i < 2 * q.codewords; i += blockDim.x)
            log_weight[i] = q.log_weight[group * 2 * q.codewords + i];
        __syncthreads();
        return {q.rvq_levels,
                q.codewords,
                fine,
                coarse,
                {log_weight, log_weight + q.codewords},
                q.variance[0],
                q.variance[1],
                prefix + group * kSigmaCount,
                prefix + q.groups * kSigmaCount,
                team::min_candidates(q.codewords)};
    }
};

__global__ void quantise_kernel(StageQuantiser q, const int32_t* prefix, const float* residual, const float* sigma,
                                int64_t count, uint8_t* code, float* value, float* bits) {
    __shared__ Shared shared;
    const int group = blockIdx.y;
    const GroupQuantiser tables = shared.load(q, prefix, group);
    for (int round = 0; round < kRounds; ++round) {
        const int64_t n = (blockIdx.x * static_cast<int64_t>(kRounds) + round) * kWarps + threadIdx.x / kWarp;
        if (n >= count) return;
        const int64_t at = n * q.groups + group;
        const Quantised found = team::quantise(Warp(), tables, residual + at * kGroup, sigma + at * kGroup, q.beta);
        if (Warp().rank()) continue;
        for (int j = 0; j < q.rvq_levels; ++j) code[at * q.rvq_levels + j] = found.code[j];
        for (int i = 0; i < kGroup; ++i) value[at * kGroup + i] = found.value[i];
        bits[at] = found.bits;
    }
}

__global__ void gradient_kernel(StageQuantiser q, const int32_t* prefix, const float* residual, const float* sigma,
                                const uint8_t* code, int64_t count, const float* grad_value, const float* grad_bits,
                                float* of_residual, float* of_sigma, float* of_variance, team::TableTerms* terms) {
    __shared__ Shared shared;
    const int group = blockIdx.y;
    const GroupQuantiser tables = shared.load(q, prefix, group);
    for (int round = 0; round < kRounds; ++round) {
        const int64_t n = (blockIdx.x * static_cast<int64_t>(kRounds) + round) * kWarps + threadIdx.x / kWarp;
        if (n >= count) return;
        const int64_t at = n * q.groups + group;
        team::GroupSlopes slopes;
        team::TableTerms own;
        team::quantise_gradient(Warp(), tables, {residual + at * kGroup, sigma + at * kGroup}, q.beta,
                                code + at * q.rvq_levels, {grad_value + at * kGroup, grad_bits[at]}, slopes, own);
        if (Warp().rank()) continue;
        for (int i = 0; i < kGroup; ++i) {
            of_residual[at * kGroup + i] = slopes.rate[i] + slopes.value[i];
            of_sigma[at * kGroup + i] = slopes.sigma[i];
        }
        for (int i = 0; i < 2; ++i) of_variance[at * 2 + i] = slopes.variance[i];
        terms[group * count + n] = own;
    }
}

// A thread a codeword; adds what a chunk of the groups give.
__global__ void tables_kernel(StageQuantiser q, const team::TableTerms* terms, int64_t count, float* fine,
                              float* log_weight) {
    const int group = blockIdx.y, k = threadIdx.x;
    const int64_t first = blockIdx.x * static_cast<int64_t>(kChunk);
    float word[kGroup], weight[2];
    for (int i = 0; i < kGroup; ++i) word[i] = q.fine[(static_cast<int64_t>(group) * kGroup + i) * q.codewords + k];
    for (int j = 0; j < 2; ++j) weight[j] = q.log_weight[(static_cast<int64_t>(group) * 2 + j) * q.codewords + k];
    team::CodewordSlopes slopes = {};
    for (int64_t n = first; n < count && n < first + kChunk; ++n) slopes.add(terms[group * count + n], word, weight, k);
    for (int i = 0; i < kGroup; ++i)
        atomicAdd(fine + (static_cast<int64_t>(group) * kGroup + i) * q.codewords + k, slopes.word[i]);
    for (int j = 0; j < 2; ++j)
        atomicAdd(log_weight + (static_cast<int64_t>(group) * 2 + j) * q.codewords + k, slopes.log_weight[j]);
}

dim3 grid(int64_t count, int64_t a_block, int groups) {
    return dim3(static_cast<unsigned>((count + a_block - 1) / a_block), groups);
}

void check() {
    const cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

}  // namespace

void quantise_cuda(const StageQuantiser& q, const TeamQuantise& b, void* stream) {
    const auto s = static_cast<cudaStream_t>(stream);
    if (b.count == 0) return;
    prefixes<<<q.groups + 1, kSigmaCount, 0, s>>>(q, b.prefix);
    quantise_kernel<<<grid(b.count, kWarps * kRounds, q.groups), kWarps * kWarp, 0, s>>>(
        q, b.prefix, b.residual, b.sigma, b.count, b.code, b.value, b.bits);
    check();
}

void quantise_gradient_cuda(const StageQuantiser& q, const TeamGradient& b, void* stream) {
    const auto s = static_cast<cudaStream_t>(stream);
    if (b.count == 0) return;
    auto* terms = static_cast<team::TableTerms*>(b.terms);
    gradient_kernel<<<grid(b.count, kWarps * kRounds, q.groups), kWarps * kWarp, 0, s>>>(
        q, b.prefix, b.residual, b.sigma, b.code, b.count, b.grad_value, b.grad_bits, b.of_residual, b.of_sigma,
        b.of_variance, terms);
    tables_kernel<<<grid(b.count, kChunk, q.groups), q.codewords, 0, s>>>(q, terms, b.count, b.fine, b.log_weight);
    check();
}

}  // namespace aec
