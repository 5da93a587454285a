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

Window::Window(const Features& x, long begin, long end, const int16_t* above, const int16_t* below)
    : x_(x), begin_(begin), end_(end), above_(above), below_(below) {
    for (auto& row : rows_) row.assign((x.width + 2) * x.channels, 0);
}

void Window::read(long y, std::vector<int16_t>& row) const {
    int16_t* inside = row.data() + x_.channels;
    const long count = x_.width * x_.channels;
    if (y < 0 || y >= x_.height) std::fill(inside, inside + count, int16_t{0});
    else kernels().clamp(y == begin_ - 1 && above_ ? above_ : y == end_ && below_ ? below_ : x_.row(y), inside, count);
}

void Window::move_to(long y) {
    if (y == begin_) {
        read(y - 1, rows_[1]);
        read(y, rows_[2]);
    }
    std::swap(rows_[0], rows_[1]);
    std::swap(rows_[1], rows_[2]);
    read(y + 1, rows_[2]);
}

void conv_3x3(const Conv& conv, const Window& window, long width, int32_t* out) {
    const int16_t* taps[9];
    for (int i = 0; i < 9; ++i) taps[i] = window.row(i / 3) + i % 3 * conv.in;
    kernels().conv_row({taps, 9, conv.in, conv.in, conv.weights.data(), conv.out, conv.bias.data(), conv.shift.data(), width, out});
}

void residual_block(const Block& block, Features& x, int quality, int threads) {
    const long width = x.width, hidden = block.spatial.out, row = width * x.channels;
    const int16_t* scale = block.film.data() + static_cast<long>(quality - 1) * 2 * hidden;
    // Every band of rows keeps the rows beside it as they were.
    const long bands = std::min<long>(x.height, 4L * thread_count(threads)), size = (x.height + bands - 1) / bands;
    std::vector<std::vector<int16_t>> above(bands), below(bands);
    for (long b = 0; b < bands; ++b) {
        const long begin = b * size, end = std::min(x.height, begin + size);
        if (begin > 0 && begin < x.height) above[b].assign(x.row(begin - 1), x.row(begin - 1) + row);
        if (end < x.height) below[b].assign(x.row(end), x.row(end) + row);
    }
    parallel_for(bands, threads, 1, [&](long first, long last, int) {
        std::vector<int16_t> inner(width * hidden);
        std::vector<int32_t> sums(width * std::max(hidden, x.channels));
        for (long b = first; b < last; ++b) {
            const long begin = b * size, end = std::min(x.height, begin + size);
            Window window(x, begin, end, above[b].data(), below[b].data());
            for (long y = begin; y < end; ++y) {
                window.move_to(y);
                conv_3x3(block.spatial, window, width, sums.data());
                kernels().film(sums.data(), scale, scale + hidden, inner.data(), width, hidden);
                conv_1x1(block.mix, inner.data(), width, sums.data());
                kernels().add(x.row(y), sums.data(), x.row(y), row);
            }
        }
    });
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
