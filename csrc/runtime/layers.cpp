#include "runtime/layers.h"

#include <algorithm>

#include "kernels/kernels.h"

namespace aec {

void conv_1x1(const Conv& conv, const int16_t* in, int64_t width, int32_t* out) {
    const int16_t* tap = in;
    kernels().conv_row(
        {&tap, 1, conv.in, conv.in, conv.weights.data(), conv.out, conv.bias.data(), conv.shift.data(), width, out});
}

void saturate(const int32_t* in, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int16_t>(std::min(32767, std::max(-32768, in[i])));
}

}  // namespace aec
