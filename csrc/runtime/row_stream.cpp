#include "runtime/row_stream.h"

#include "kernels/kernels.h"
#include "runtime/line_window.h"

namespace aec {

void RowStream::need(int64_t end) {
    for (end = std::min(end, area.bottom); made_ < end;) {
        const int64_t next = std::min(made_ + kStrip, area.bottom);
        for (int64_t y = made_; y < next; ++y) {
            if (spare_.empty()) spare_.emplace_back(area.width() * channels);
            rows_.push_back(std::move(spare_.back()));
            spare_.pop_back();
        }
        make(made_, next);
        made_ = next;
    }
}

void RowStream::drop_read() {
    const int64_t end = std::min(made_, *std::min_element(read_.begin(), read_.end()));
    for (; first_ < end; ++first_) {
        spare_.push_back(std::move(rows_.front()));
        rows_.pop_front();
    }
}

void run(RowStreamPointer stream) {
    RowCursor rows(std::move(stream));
    for_each_strip(rows, [](int64_t, int64_t) {});
}

namespace {

Rectangle whole(int64_t height, int64_t width) { return {0, 0, height, width}; }

class Copied : public RowStream {
public:
    Copied(const Features& map, Workers& workers)
        : RowStream(map.height, map.width, {0, 0, map.height, map.width}, map.channels, workers), map_(map) {}

private:
    void make(int64_t begin, int64_t end) override {
        for (int64_t y = begin; y < end; ++y) std::copy_n(map_.row(y), width * channels, row(y));
    }

    const Features& map_;
};

class Zeros : public RowStream {
    using RowStream::RowStream;
    void make(int64_t begin, int64_t end) override {
        for (int64_t y = begin; y < end; ++y) std::fill_n(row(y), area.width() * channels, int16_t{0});
    }
};

class Stem : public RowStream {
public:
    Stem(const Conv& conv, int64_t side, const uint8_t* pixels, int64_t picture_height, int64_t picture_width,
         int64_t rows, int64_t columns, Workers& workers)
        : RowStream(rows, columns, whole(rows, columns), conv.out, workers),
          conv_(conv),
          side_(side),
          pixels_(pixels),
          picture_height_(picture_height),
          picture_width_(picture_width) {}

private:
    void make(int64_t begin, int64_t end) override {
        workers.split(end - begin, 1, [&](int64_t first, int64_t last, Scratch& scratch) {
            int16_t* const blocks = scratch.take<int16_t>(width * conv_.in);
            int32_t* const sums = scratch.take<int32_t>(width * channels);
            for (int64_t y = begin + first; y < begin + last; ++y) {
                for (int64_t i = 0; i < side_; ++i) read(y * side_ + i, blocks + i * side_);
                conv_1x1(conv_, blocks, width, sums);
                saturate(sums, row(y), width * channels);
            }
        });
    }
    // One row of pixels, to where it lies in the first block: blocks are [3][side][side].
    void read(int64_t y, int16_t* blocks) const {
        const uint8_t* line = pixels_ + std::min(y, picture_height_ - 1) * picture_width_ * 3;
        for (int64_t x = 0; x < width; ++x)
            for (int64_t j = 0; j < side_; ++j) {
                const uint8_t* pixel = line + std::min(x * side_ + j, picture_width_ - 1) * 3;
                for (int c = 0; c < 3; ++c)
                    blocks[x * conv_.in + c * side_ * side_ + j] = static_cast<int16_t>(pixel[c] - 128);
            }
    }

    const Conv& conv_;
    const int64_t side_;
    const uint8_t* pixels_;
    const int64_t picture_height_, picture_width_;
};

class Residual : public RowStream {
public:
    Residual(const Block& block, RowStreamPointer in, Rectangle area, const Qualities& qualities, Workers& workers)
        : RowStream(in->height, in->width, area, in->channels, workers),
          block_(block),
          in_(std::move(in), kNeighbours),
          qualities_(qualities) {}

private:
    void make(int64_t begin, int64_t end) override {
        in_.need(end);
        const int64_t columns = area.width(), hidden = block_.spatial.out;
        workers.split(end - begin, kRowsAtOnce, [&](int64_t first, int64_t last, Scratch& scratch) {
            LineWindow window(in_, area.left, area.right, SpatialConv::kWindow, kSpatialInputMax, scratch);
            SpatialConv spatial(block_.spatial, columns, scratch);
            int16_t* const inner = scratch.take<int16_t>(columns * hidden);
            int32_t* const sums = scratch.take<int32_t>(columns * channels);
            for (int64_t pair = begin + first; pair < begin + last; pair += SpatialConv::kRows) {
                window.move_to(pair, kNeighbours.last(end));
                const int32_t* in = spatial(window);
                for (int64_t y = pair; y < std::min(begin + last, pair + SpatialConv::kRows); ++y) {
                    const int32_t* row_in = in + (y - pair) * columns * hidden;
                    qualities_.for_each_run(y, area.left, area.right, [&](int64_t left, int64_t right, int quality) {
                        const int16_t* scale = block_.film.data() + static_cast<int64_t>(quality - 1) * 2 * hidden;
                        const int64_t at = (left - area.left) * hidden;
                        kernels().film(row_in + at, scale, scale + hidden, inner + at, right - left, hidden);
                    });
                    conv_1x1(block_.mix, inner, columns, sums);
                    kernels().add(in_.row(y, area.left), sums, row(y), columns * channels);
                }
            }
        });
        in_.drop(end);
    }

    const Block& block_;
    RowCursor in_;
    const Qualities qualities_;
};

class Downsampled : public RowStream {
public:
    Downsampled(const Conv& conv, RowStreamPointer in, Workers& workers)
        : RowStream(in->height / 2, in->width / 2, whole(in->height / 2, in->width / 2), conv.out, workers),
          conv_(conv),
          in_(std::move(in), kHalving) {}

private:
    void make(int64_t begin, int64_t end) override {
        in_.need(end);
        const int64_t count = 2 * width * conv_.in;
        workers.split(end - begin, 1, [&](int64_t first, int64_t last, Scratch& scratch) {
            int16_t* const two = scratch.take<int16_t>(2 * count);
            int32_t* const sums = scratch.take<int32_t>(width * channels);
            for (int64_t y = begin + first; y < begin + last; ++y) {
                for (int i = 0; i < 2; ++i)
                    kernels().clamp(in_.row(2 * y + i, 0), two + i * count, count, kConvInputMax);
                const int16_t* taps[4] = {two, two + conv_.in, two + count, two + count + conv_.in};
                kernels().conv_row({taps, 4, int64_t{2} * conv_.in, conv_.in, conv_.weights.data(), conv_.out,
                                    conv_.bias.data(), conv_.shift.data(), width, sums});
                saturate(sums, row(y), width * channels);
            }
        });
        in_.drop(end);
    }

    const Conv& conv_;
    RowCursor in_;
};

class Upsampled : public RowStream {
public:
    // The area's sides are even.
    Upsampled(const Conv& conv, RowStreamPointer in, Rectangle area, Workers& workers)
        : RowStream(2 * in->height, 2 * in->width, area, conv.out / 4, workers),
          conv_(conv),
          in_(std::move(in), kDoubling) {}

private:
    void make(int64_t begin, int64_t end) override {
        in_.need(end);
        const int64_t columns = area.width() / 2;
        workers.split((end - begin) / 2, 1, [&](int64_t first, int64_t last, Scratch& scratch) {
            int16_t* const clamped = scratch.take<int16_t>(columns * in_.channels());
            int32_t* const sums = scratch.take<int32_t>(columns * conv_.out);
            for (int64_t y = begin / 2 + first; y < begin / 2 + last; ++y) {
                kernels().clamp(in_.row(y, area.left / 2), clamped, columns * in_.channels(), kConvInputMax);
                conv_1x1(conv_, clamped, columns, sums);
                for (int64_t x = 0; x < columns; ++x)  // the convolution's channels are [2][2][channels]
                    for (int dy = 0; dy < 2; ++dy)
                        saturate(sums + x * conv_.out + dy * 2 * channels, row(2 * y + dy) + x * 2 * channels,
                                 2 * channels);
            }
        });
        in_.drop(end);
    }

    const Conv& conv_;
    RowCursor in_;
};

}  // namespace

RowStreamPointer copied(const Features& map, Workers& workers) { return std::make_shared<Copied>(map, workers); }
RowStreamPointer zeros(int64_t height, int64_t width, Rectangle area, int64_t channels, Workers& workers) {
    return std::make_shared<Zeros>(height, width, area, channels, workers);
}
RowStreamPointer stem(const Conv& conv, int64_t side, const uint8_t* pixels, int64_t height, int64_t width,
                      int64_t rows, int64_t columns, Workers& workers) {
    return std::make_shared<Stem>(conv, side, pixels, height, width, rows, columns, workers);
}
RowStreamPointer residual_block(const Block& block, RowStreamPointer in, Rectangle area, const Qualities& qualities,
                                Workers& workers) {
    return std::make_shared<Residual>(block, std::move(in), area, qualities, workers);
}
RowStreamPointer downsample(const Conv& conv, RowStreamPointer in, Workers& workers) {
    return std::make_shared<Downsampled>(conv, std::move(in), workers);
}
RowStreamPointer upsample(const Conv& conv, RowStreamPointer in, Rectangle area, Workers& workers) {
    return std::make_shared<Upsampled>(conv, std::move(in), area, workers);
}

}  // namespace aec
