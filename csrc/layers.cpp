#include "layers.h"

#include <algorithm>
#include <stdexcept>

#include "parallel.h"

namespace aec {

Conv load_conv(const Tensors& tensors, const std::string& name, int in, int out, int taps) {
    if (in % kOutBlock || out % kOutBlock) throw std::invalid_argument(name + ": channel counts must be multiples of 16");
    Conv c{in, out, taps, {}, {}, {}};
    const int16_t* weight = tensors.int16(name + ".weight", static_cast<long>(out) * in * taps);  // [out][in][taps]
    const int32_t* bias = tensors.int32(name + ".bias", out);
    const int32_t* shift = tensors.int32(name + ".shift", out);
    c.weights.resize(static_cast<size_t>(out) * in * taps);
    auto at = c.weights.begin();
    for (int block = 0; block < out; block += kOutBlock)
        for (int t = 0; t < taps; ++t)
            for (int i = 0; i < in; i += 2)
                for (int o = block; o < block + kOutBlock; ++o)
                    for (int pair = 0; pair < 2; ++pair) *at++ = weight[(static_cast<long>(o) * in + i + pair) * taps + t];
    for (int o = 0; o < out; ++o) {
        if (shift[o] < 1 || shift[o] > 30) throw std::invalid_argument(name + ": a shift is out of range");
        int64_t bound = std::abs(static_cast<int64_t>(bias[o])) + (int64_t{1} << (shift[o] - 1));
        for (int i = 0; i < in * taps; ++i) bound += std::abs(weight[static_cast<long>(o) * in * taps + i]) * int64_t{kConvInputMax};
        if (bound >= int64_t{1} << 31) throw std::invalid_argument(name + ": an accumulator could overflow");
        c.bias.push_back(bias[o] + (1 << (shift[o] - 1)));
        c.shift.push_back(shift[o]);
    }
    return c;
}

Block load_block(const Tensors& tensors, const std::string& name, int channels, int hidden) {
    Block b{load_conv(tensors, name + ".spatial", channels, hidden, 9), load_conv(tensors, name + ".mix", hidden, channels, 1), {}};
    const long size = static_cast<long>(kQualities) * 2 * hidden;
    const int16_t* film = tensors.int16(name + ".film", size);
    b.film.assign(film, film + size);
    return b;
}

void conv_1x1(const Conv& conv, const int16_t* in, long width, int32_t* out) {
    const int16_t* tap = in;
    kernels().conv_row({&tap, 1, conv.in, conv.in, conv.weights.data(), conv.out, conv.bias.data(), conv.shift.data(), width, out});
}

void gather_3x3(const Features& x, long y, std::vector<int16_t>& rows) {
    const long stride = (x.width + 2) * x.channels;
    rows.assign(3 * stride, 0);
    for (int i = 0; i < 3; ++i) {
        const long from = y + i - 1;
        if (from >= 0 && from < x.height) kernels().clamp(x.row(from), rows.data() + i * stride + x.channels, x.width * x.channels);
    }
}

void conv_3x3(const Conv& conv, const std::vector<int16_t>& rows, long width, int32_t* out) {
    const int16_t* taps[9];
    for (int i = 0; i < 9; ++i) taps[i] = rows.data() + (i / 3 * (width + 2) + i % 3) * conv.in;
    kernels().conv_row({taps, 9, conv.in, conv.in, conv.weights.data(), conv.out, conv.bias.data(), conv.shift.data(), width, out});
}

Features residual_block(const Block& block, const Features& x, int quality, int threads) {
    const long width = x.width, hidden = block.spatial.out, channels = x.channels;
    const int16_t* scale = block.film.data() + static_cast<long>(quality - 1) * 2 * hidden;
    Features out(x.height, width, channels);
    parallel_for(x.height, threads, 1, [&](long begin, long end, int) {
        std::vector<int16_t> rows, inner(width * hidden);
        std::vector<int32_t> sums(width * std::max(hidden, channels));
        for (long y = begin; y < end; ++y) {
            gather_3x3(x, y, rows);
            conv_3x3(block.spatial, rows, width, sums.data());
            kernels().film(sums.data(), scale, scale + hidden, inner.data(), width, hidden);
            conv_1x1(block.mix, inner.data(), width, sums.data());
            kernels().add(x.row(y), sums.data(), out.row(y), width * channels);
        }
    });
    return out;
}

namespace {

void saturate(const int32_t* in, int16_t* out, long count) {
    for (long i = 0; i < count; ++i) out[i] = static_cast<int16_t>(std::min(32767, std::max(-32768, in[i])));
}

}  // namespace

Features downsample(const Conv& conv, const Features& x, int threads) {
    Features out(x.height / 2, x.width / 2, conv.out);
    const long row = x.width * x.channels;
    parallel_for(out.height, threads, 1, [&](long begin, long end, int) {
        std::vector<int16_t> rows(2 * row);
        std::vector<int32_t> sums(out.width * conv.out);
        for (long y = begin; y < end; ++y) {
            kernels().clamp(x.row(2 * y), rows.data(), 2 * row);
            const int16_t* taps[4] = {rows.data(), rows.data() + conv.in, rows.data() + row, rows.data() + row + conv.in};
            kernels().conv_row({taps, 4, 2L * conv.in, conv.in, conv.weights.data(), conv.out, conv.bias.data(), conv.shift.data(),
                                out.width, sums.data()});
            saturate(sums.data(), out.row(y), out.width * conv.out);
        }
    });
    return out;
}

Features upsample(const Conv& conv, const Features& x, int threads) {
    const long channels = conv.out / 4;
    Features out(2 * x.height, 2 * x.width, channels);
    parallel_for(x.height, threads, 1, [&](long begin, long end, int) {
        std::vector<int16_t> row(x.width * x.channels);
        std::vector<int32_t> sums(x.width * conv.out);
        for (long y = begin; y < end; ++y) {
            kernels().clamp(x.row(y), row.data(), x.width * x.channels);
            conv_1x1(conv, row.data(), x.width, sums.data());
            for (long p = 0; p < x.width; ++p)  // the convolution's channels are [2][2][channels]
                for (int dy = 0; dy < 2; ++dy)
                    saturate(sums.data() + p * conv.out + dy * 2 * channels, out.row(2 * y + dy) + p * 2 * channels, 2 * channels);
        }
    });
    return out;
}

}  // namespace aec
