#include "kernels/nearest.h"

#include "base/workers.h"
#include "kernels/kernels.h"

namespace aec {

std::vector<float> codeword_norms(const float* codebook, const float* bias, int d, int k) {
    std::vector<float> norm(bias, bias + k);
    for (int c = 0; c < k; ++c)
        for (int i = 0; i < d; ++i) {
            const float x = codebook[static_cast<int64_t>(i) * k + c];
            norm[c] += x * x;
        }
    return norm;
}

void nearest(const float* z, const float* weight, const float* codebook, const float* bias, int64_t n, int d, int k,
             int threads, int32_t* index) {
    const std::vector<float> norm = codeword_norms(codebook, bias, d, k);
    const NearestSearch search{codebook, norm.data(), d, k};
    Workers(threads).split(n, 1024, [&](int64_t begin, int64_t end, Scratch& memory) {
        float* const scratch = memory.take<float>(int64_t{kNearestQueries} * d);
        kernels().nearest(search, z + begin * d, weight ? weight + begin * d : nullptr, end - begin, scratch,
                          index + begin);
    });
}

}  // namespace aec
