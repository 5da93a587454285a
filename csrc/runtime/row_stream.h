// Maps of features that are made a strip of rows at a time, from the top down and as far as they are asked for, and
// whose rows are dropped when nobody will read them again. So the memory that a picture takes grows with its width, not
// its height. A row stream may cover a part of its map only: the area that somebody wants.
#pragma once
#include <algorithm>
#include <deque>
#include <memory>

#include "base/map.h"
#include "base/parallel.h"
#include "runtime/layers.h"

namespace aec {

constexpr int64_t kStrip = 16;      // rows that are made at once
constexpr int64_t kRowsAtOnce = 4;  // of them, those of a thread's turn where rows share work with their neighbours

class RowStream {
public:
    // Of a map of height x width positions.
    RowStream(int64_t height, int64_t width, Rectangle area, int64_t channels, int threads)
        : height(height),
          width(width),
          area(area),
          channels(channels),
          threads(threads),
          first_(area.top),
          made_(area.top) {}
    RowStream(const RowStream&) = delete;
    virtual ~RowStream() = default;

    const int64_t height, width;
    const Rectangle area;
    const int64_t channels;

    void need(int64_t end);  // makes the area's rows above `end`
    const int16_t* row(int64_t y, int64_t x) const {
        return rows_[y - first_].data() + (x - area.left) * channels;
    }  // from column x on

protected:
    virtual void make(int64_t begin, int64_t end) = 0;            // fills rows begin..end, the next ones
    int16_t* row(int64_t y) { return rows_[y - first_].data(); }  // [columns][channels]

    const int threads;

private:
    friend class RowCursor;
    void drop_read();

    int64_t first_, made_;  // rows first_..made_ are there
    std::deque<std::vector<int16_t>> rows_;
    std::vector<std::vector<int16_t>> spare_;  // dropped rows, for their memory
    std::vector<int64_t> read_;                // of every reader: the rows above this it has done with
};

using RowStreamPointer = std::shared_ptr<RowStream>;

// One consumer's view of a row stream.
class RowCursor {
public:
    explicit RowCursor(std::shared_ptr<RowStream> stream) : stream_(std::move(stream)), at_(stream_->read_.size()) {
        stream_->read_.push_back(stream_->area.top);
    }

    void need(int64_t end) const { stream_->need(end); }
    const int16_t* row(int64_t y, int64_t x) const { return static_cast<const RowStream&>(*stream_).row(y, x); }
    void drop(int64_t end) {  // rows above `end` are not read again
        stream_->read_[at_] = std::max(stream_->read_[at_], end);
        stream_->drop_read();
    }
    const RowStream& stream() const { return *stream_; }
    int64_t channels() const { return stream_->channels; }

private:
    std::shared_ptr<RowStream> stream_;
    size_t at_;
};

// Has the whole area made, for what making it does.
void run(RowStreamPointer stream);

// Has the whole area made; body(begin, end) sees every row once.
template <class Body>
void for_each_strip(RowCursor& in, const Body& body) {
    const Rectangle& area = in.stream().area;
    for (int64_t begin = area.top; begin < area.bottom; begin += kStrip) {
        const int64_t end = std::min(area.bottom, begin + kStrip);
        in.need(end);
        body(begin, end);
        in.drop(end);
    }
}

// The rows y-1, y, y+1 of a row stream as convolutions want them: clamped, with a position more at both ends of the
// columns left..right, and zeros outside the map.
class LineWindow {
public:
    LineWindow(const RowCursor& in, int64_t left, int64_t right);
    void move_to(int64_t y);  // any row first, then the one below, ...
    const int16_t* row(int i) const {
        return rows_[i].data();
    }  // 0 above, 1 at, 2 below y: [right - left + 2][channels]

private:
    void read(int64_t y, std::vector<int16_t>& row) const;

    const RowCursor& in_;
    const int64_t left_, from_, to_;  // the columns from_..to_ are read; left_ - 1 comes first in a row
    int64_t at_ = -2;
    std::vector<int16_t> rows_[3];
};
void conv_3x3(const Conv& conv, const LineWindow& window, int64_t width, int32_t* out);

RowStreamPointer zeros(int64_t height, int64_t width, Rectangle area, int64_t channels, int threads);
// Blocks of kBlock x kBlock pixels, [height][width][3], as features of a map of rows x columns; beyond the picture's
// edge its last row and column go on.
RowStreamPointer stem(const Conv& conv, const uint8_t* pixels, int64_t height, int64_t width, int64_t rows,
                      int64_t columns, int threads);
RowStreamPointer residual_block(const Block& block, RowStreamPointer in, Rectangle area, int quality, int threads);
RowStreamPointer downsample(const Conv& conv, RowStreamPointer in, int threads);  // 2x2, stride 2, of a whole map
RowStreamPointer upsample(const Conv& conv, RowStreamPointer in, Rectangle area,
                          int threads);  // 1x1, then pixels shuffled 2x2

}  // namespace aec
