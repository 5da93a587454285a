#include "runtime/layers.h"

#include <algorithm>
#include <stdexcept>

namespace aec {

Conv load_conv(const Tensors& tensors, const std::string& name, int in, int out, int taps) {
    if (in % kOutBlock || out % kOutBlock)
        throw std::invalid_argument(name + ": channel counts must be multiples of 16");
    Conv c{in, out, taps, {}, {}, {}};
    const int16_t* weight = tensors.int16(name + ".weight", static_cast<int64_t>(out) * in * taps);  // [out][in][taps]
    const int32_t* bias = tensors.int32(name + ".bias", out);
    const int32_t* shift = tensors.int32(name + ".shift", out);
    c.weights.resize(static_cast<size_t>(out) * in * taps);
    auto at = c.weights.begin();
    for (int block = 0; block < out; block += kOutBlock)
        for (int t = 0; t < taps; ++t)
            for (int i = 0; i < in; i += 2)
                for (int o = block; o < block + kOutBlock; ++o)
                    for (int pair = 0; pair < 2; ++pair)
                        *at++ = weight[(static_cast<int64_t>(o) * in + i + pair) * taps + t];
    for (int o = 0; o < out; ++o) {
        if (shift[o] < 1 || shift[o] > 30) throw std::invalid_argument(name + ": a shift is out of range");
        int64_t bound = std::abs(static_cast<int64_t>(bias[o])) + (int64_t{1} << (shift[o] - 1));
        for (int i = 0; i < in * taps; ++i)
            bound += std::abs(weight[static_cast<int64_t>(o) * in * taps + i]) * int64_t{kConvInputMax};
        if (bound >= int64_t{1} << 31) throw std::invalid_argument(name + ": an accumulator could overflow");
        c.bias.push_back(bias[o] + (1 << (shift[o] - 1)));
        c.shift.push_back(shift[o]);
    }
    return c;
}

Block load_block(const Tensors& tensors, const std::string& name, int channels, int hidden) {
    Block b{load_conv(tensors, name + ".spatial", channels, hidden, 9),
            load_conv(tensors, name + ".mix", hidden, channels, 1),
            {}};
    const int64_t size = static_cast<int64_t>(kQualities) * 2 * hidden;
    const int16_t* film = tensors.int16(name + ".film", size);
    b.film.assign(film, film + size);
    return b;
}

void conv_1x1(const Conv& conv, const int16_t* in, int64_t width, int32_t* out) {
    const int16_t* tap = in;
    kernels().conv_row(
        {&tap, 1, conv.in, conv.in, conv.weights.data(), conv.out, conv.bias.data(), conv.shift.data(), width, out});
}

void saturate(const int32_t* in, int16_t* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int16_t>(std::min(32767, std::max(-32768, in[i])));
}

}  // namespace aec
