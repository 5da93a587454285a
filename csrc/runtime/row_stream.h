// Maps of features that are made a strip of rows at a time, from the top down and as far as they are asked for, and
// whose rows are dropped when nobody will read them again. So the memory that a picture takes grows with its width, not
// its height. A row stream may cover a part of its map only: the area that somebody wants.
#pragma once
#include <algorithm>
#include <deque>
#include <memory>

#include "base/map.h"
#include "base/workers.h"
#include "model/frame.h"
#include "runtime/layers.h"

namespace aec {

constexpr int64_t kStrip = 16;      // rows that are made at once
constexpr int64_t kRowsAtOnce = 4;  // of them, those of a thread's turn if rows share work with their neighbours

// What a layer reads of its input for a position of its own. Its halo and its scale are this, and nothing else: which
// rows a layer needs, which it has done with, and which area of the input an area of its map needs all follow.
struct Reach {
    int halo;      // positions beyond, on every side
    int halvings;  // how often its map is the input's halved; -1: it is twice the input's

    int64_t first(int64_t begin) const { return (halvings < 0 ? begin >> -halvings : begin << halvings) - halo; }
    int64_t last(int64_t end) const {
        return (halvings < 0 ? (end + (1 << -halvings) - 1) >> -halvings : end << halvings) + halo;
    }
    // Of an input whose map is this large.
    Rectangle source(Rectangle area, Rectangle map) const {
        return {std::max(map.top, first(area.top)), std::max(map.left, first(area.left)),
                std::min(map.bottom, last(area.bottom)), std::min(map.right, last(area.right))};
    }
};
constexpr Reach kPointwise{0, 0};   // 1x1 convolutions
constexpr Reach kNeighbours{1, 0};  // 3x3: residual_block, and code_stage for its prior
constexpr Reach kHalving{0, 1};     // downsample
constexpr Reach kDoubling{0, -1};   // upsample

class RowStream {
public:
    // Of a map of height x width positions.
    RowStream(int64_t height, int64_t width, Rectangle area, int64_t channels, Workers& workers)
        : height(height),
          width(width),
          area(area),
          channels(channels),
          workers(workers),
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

    Workers& workers;

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
    // For a layer of this reach; rows are counted as those of the layer's own map.
    explicit RowCursor(RowStreamPointer stream, Reach reach = kPointwise)
        : stream_(std::move(stream)), reach_(reach), at_(stream_->read_.size()) {
        stream_->read_.push_back(stream_->area.top);
    }

    void need(int64_t end) const { stream_->need(reach_.last(end)); }
    void need_input(int64_t end) const { stream_->need(end); }  // rows of the input's map
    const int16_t* row(int64_t y, int64_t x) const { return static_cast<const RowStream&>(*stream_).row(y, x); }
    void drop(int64_t end) {  // rows from `end` on are all that is still to be made
        stream_->read_[at_] = std::max(stream_->read_[at_], reach_.first(end));
        stream_->drop_read();
    }
    const RowStream& stream() const { return *stream_; }
    int64_t channels() const { return stream_->channels; }

private:
    RowStreamPointer stream_;
    Reach reach_;
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

RowStreamPointer copied(const Features& map, Workers& workers);  // of a whole map, which must outlive it
RowStreamPointer zeros(int64_t height, int64_t width, Rectangle area, int64_t channels, Workers& workers);
// Blocks of side x side pixels, [height][width][3], as features of a map of rows x columns; beyond the picture's edge
// its last row and column go on. conv.in is 3 side².
RowStreamPointer stem(const Conv& conv, int64_t side, const uint8_t* pixels, int64_t height, int64_t width,
                      int64_t rows, int64_t columns, Workers& workers);
RowStreamPointer residual_block(const Block& block, RowStreamPointer in, Rectangle area, const Qualities& qualities,
                                Workers& workers);
RowStreamPointer downsample(const Conv& conv, RowStreamPointer in, Workers& workers);  // 2x2, stride 2, of a whole map
RowStreamPointer upsample(const Conv& conv, RowStreamPointer in, Rectangle area,
                          Workers& workers);  // 1x1, then pixels shuffled 2x2

}  // namespace aec
