// Maps of features that are made a strip of rows at a time, from the top down and as far as they are asked for, and
// whose rows are dropped when nobody will read them again. So the memory that a picture takes grows with its width, not
// its height. A flow may cover a part of its map only: the area that somebody wants.
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

class Flow {
public:
    // Of a map of height x width positions.
    Flow(int64_t height, int64_t width, Rectangle area, int64_t channels, int threads)
        : height(height),
          width(width),
          area(area),
          channels(channels),
          threads(threads),
          first_(area.top),
          made_(area.top) {}
    Flow(const Flow&) = delete;
    virtual ~Flow() = default;

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
    friend class Reader;
    void drop_read();

    int64_t first_, made_;  // rows first_..made_ are there
    std::deque<std::vector<int16_t>> rows_;
    std::vector<std::vector<int16_t>> spare_;  // dropped rows, for their memory
    std::vector<int64_t> read_;                // of every reader: the rows above this it has done with
};

// One consumer's view of a flow.
class Reader {
public:
    explicit Reader(std::shared_ptr<Flow> flow) : flow_(std::move(flow)), at_(flow_->read_.size()) {
        flow_->read_.push_back(flow_->area.top);
    }

    void need(int64_t end) const { flow_->need(end); }
    const int16_t* row(int64_t y, int64_t x) const { return static_cast<const Flow&>(*flow_).row(y, x); }
    void drop(int64_t end) {  // rows above `end` are not read again
        flow_->read_[at_] = std::max(flow_->read_[at_], end);
        flow_->drop_read();
    }
    const Flow& flow() const { return *flow_; }
    int64_t channels() const { return flow_->channels; }

private:
    std::shared_ptr<Flow> flow_;
    size_t at_;
};

// Has the whole area made; body(begin, end) sees every row once.
template <class Body>
void for_each_strip(Reader& in, const Body& body) {
    const Rectangle& area = in.flow().area;
    for (int64_t begin = area.top; begin < area.bottom; begin += kStrip) {
        const int64_t end = std::min(area.bottom, begin + kStrip);
        in.need(end);
        body(begin, end);
        in.drop(end);
    }
}

// The rows y-1, y, y+1 of a flow as convolutions want them: clamped, with a position more at both ends of the columns
// left..right, and zeros outside the map.
class Window {
public:
    Window(const Reader& in, int64_t left, int64_t right);
    void move_to(int64_t y);  // any row first, then the one below, ...
    const int16_t* row(int i) const {
        return rows_[i].data();
    }  // 0 above, 1 at, 2 below y: [right - left + 2][channels]

private:
    void read(int64_t y, std::vector<int16_t>& row) const;

    const Reader& in_;
    const int64_t left_, from_, to_;  // the columns from_..to_ are read; left_ - 1 comes first in a row
    int64_t at_ = -2;
    std::vector<int16_t> rows_[3];
};
void conv_3x3(const Conv& conv, const Window& window, int64_t width, int32_t* out);

using FlowPointer = std::shared_ptr<Flow>;
FlowPointer zeros(int64_t height, int64_t width, Rectangle area, int64_t channels, int threads);
// Blocks of kBlock x kBlock pixels, [height][width][3], as features of a map of rows x columns; beyond the picture's
// edge its last row and column go on.
FlowPointer stem(const Conv& conv, const uint8_t* pixels, int64_t height, int64_t width, int64_t rows, int64_t columns,
                 int threads);
FlowPointer residual_block(const Block& block, FlowPointer in, Rectangle area, int quality, int threads);
FlowPointer downsample(const Conv& conv, FlowPointer in, int threads);                // 2x2, stride 2, of a whole map
FlowPointer upsample(const Conv& conv, FlowPointer in, Rectangle area, int threads);  // 1x1, then pixels shuffled 2x2

}  // namespace aec
