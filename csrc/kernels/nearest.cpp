#include "kernels/nearest.h"

#include "kernels/kernels.h"
#include "base/parallel.h"

namespace aec {

void nearest(const float* z, const float* weight, const float* codebook, const float* bias, long n, int d, int k, int threads,
             int32_t* index) {
    parallel_for(n, threads, 1024, [&](long begin, long end, int) {
        kernels().nearest(z, weight, codebook, bias, begin, end, d, k, index);
    });
}

}  // namespace aec
