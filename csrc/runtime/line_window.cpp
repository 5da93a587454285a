#include "runtime/line_window.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "model/winograd.h"

namespace aec {
namespace {

constexpr int64_t kTiles = 24;  // that are multiplied together: their inputs and products stay in the second cache
constexpr int kChannels = 2 * kOutBlock;  // of the output, that are multiplied together
const int32_t kZeros[kChannels] = {};

}  // namespace

LineWindow::LineWindow(const RowCursor& in, int64_t left, int64_t right, int rows, int16_t limit, Scratch& scratch)
    : in_(in),
      left_(left),
      right_(right),
      from_(std::max(left - 1, int64_t{0})),
      to_(std::min(right + 2, in.stream().area.right)),
      limit_(limit),
      first_(INT64_MIN / 2),
      rows_(static_cast<size_t>(rows)) {
    const int64_t n = in.channels(), end = right - left + 3;
    for (int16_t*& row : rows_) {
        row = scratch.take<int16_t>(end * n);
        std::fill(row, row + (from_ - left_ + 1) * n, int16_t{0});
        std::fill(row + (to_ - left_ + 1) * n, row + end * n, int16_t{0});
    }
}

void LineWindow::read(int64_t y, int16_t* row) const {
    int16_t* inside = row + (from_ - left_ + 1) * in_.channels();
    const int64_t count = (to_ - from_) * in_.channels();
    if (y < 0 || y >= in_.stream().height) std::fill(inside, inside + count, int16_t{0});
    else kernels().clamp(in_.row(y, from_), inside, count, limit_);
}

void LineWindow::move_to(int64_t y, int64_t end) {
    const int64_t count = static_cast<int64_t>(rows_.size()), moved = y - 1 - first_;
    int64_t i = 0;
    if (moved >= 0 && moved < count) {
        std::rotate(rows_.begin(), rows_.begin() + moved, rows_.end());
        i = count - moved;
    }
    first_ = y - 1;
    for (; i < count; ++i) read(first_ + i < end ? first_ + i : -1, rows_[i]);
}

SpatialConv::SpatialConv(const Conv& conv, int64_t width, Scratch& scratch)
    : conv_(conv), width_(width), out_(scratch.take<int32_t>(kRows * width * conv.out)) {
    if (conv.winograd.empty()) return;
    inputs_ = scratch.take<int16_t>(kWinogradPlanes * kTiles * conv.in);
    products_ = scratch.take<int32_t>(kWinogradPlanes * kTiles * kChannels);
}

const int32_t* SpatialConv::operator()(const LineWindow& window) {
    if (conv_.winograd.empty()) by_taps(window);
    else by_winograd(window);
    return out_;
}

void SpatialConv::by_taps(const LineWindow& window) {
    for (int row = 0; row < kRows; ++row) {
        const int16_t* taps[9];
        for (int i = 0; i < 9; ++i) taps[i] = window.row(row + i / 3) + i % 3 * conv_.in;
        kernels().conv_row({taps, 9, conv_.in, conv_.in, conv_.weights.data(), conv_.out, conv_.bias.data(),
                            conv_.shift.data(), width_, out_ + row * width_ * conv_.out});
    }
}

void SpatialConv::by_winograd(const LineWindow& window) {
    const int64_t all = (width_ + 1) / 2;
    for (int64_t first = 0; first < all; first += kTiles) {
        const int64_t tiles = std::min(kTiles, all - first), left = 2 * first;
        const int16_t* rows[kWindow];
        for (int i = 0; i < kWindow; ++i) rows[i] = window.row(i) + left * conv_.in;
        kernels().winograd_input(rows, conv_.in, tiles, inputs_);
        for (int channel = 0; channel < conv_.out; channel += kChannels) {
            const int block = std::min(kChannels, conv_.out - channel);
            for (int k = 0; k < kWinogradPlanes; ++k) {
                const int16_t* in = inputs_ + k * tiles * conv_.in;
                const int16_t* weights = conv_.winograd.data() + (int64_t{k} * conv_.out + channel) * conv_.in;
                kernels().conv_row(
                    {&in, 1, conv_.in, conv_.in, weights, block, kZeros, kZeros, tiles, products_ + k * tiles * block});
            }
            int32_t* out = out_ + left * conv_.out + channel;
            kernels().winograd_output({products_,
                                       tiles,
                                       block,
                                       conv_.bias.data() + channel,
                                       conv_.shift.data() + channel,
                                       width_ - left,
                                       conv_.out,
                                       {out, out + width_ * conv_.out}});
        }
    }
}

}  // namespace aec
