#include "kernels/nearest.h"

#include "base/parallel.h"
#include "kernels/kernels.h"

namespace aec {

void nearest(const float* z, const float* weight, const float* codebook, const float* bias, int64_t n, int d, int k,
             int threads, int32_t* index) {
    parallel_for(n, threads, 1024, [&](int64_t begin, int64_t end, int) {
        kernels().nearest(z, weight, codebook, bias, begin, end, d, k, index);
    });
}

}  // namespace aec
