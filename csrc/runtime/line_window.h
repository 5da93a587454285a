// 3x3 convolutions: the rows that they read, and two rows of them at a time.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/row_stream.h"

namespace aec {

// The rows y - 1, y, y + 1, ... of a row stream as convolutions want them: clamped to ± limit, with a position more on
// the left and two on the right of the columns left..right, and zeros outside the map.
class LineWindow {
public:
    LineWindow(const RowCursor& in, int64_t left, int64_t right, int rows, int16_t limit, Scratch& scratch);
    void move_to(int64_t y, int64_t end);                 // rows from `end` on are not read: they are zero
    const int16_t* row(int i) const { return rows_[i]; }  // 0: y - 1, 1: y, ...: [right - left + 3][channels]
    int64_t width() const { return right_ - left_; }

private:
    void read(int64_t y, int16_t* row) const;

    const RowCursor& in_;
    const int64_t left_, right_, from_, to_;  // the columns from_..to_ are read; left_ - 1 comes first in a row
    const int16_t limit_;
    int64_t first_;  // the row of the map that rows_[0] holds
    std::vector<int16_t*> rows_;
};

// A 3x3 convolution, two rows at a time: by Winograd's minimal filtering if the weights allow it, and to the same
// integers by nine taps if not.
class SpatialConv {
public:
    static constexpr int kRows = 2;
    static constexpr int kWindow = kRows + 2;  // rows of its LineWindow

    SpatialConv(const Conv& conv, int64_t width, Scratch& scratch);
    // The rows y and y + 1 for a window at y: [2][width][conv.out], valid until the next call.
    const int32_t* operator()(const LineWindow& window);

private:
    void by_taps(const LineWindow& window);
    void by_winograd(const LineWindow& window);

    const Conv& conv_;
    const int64_t width_;
    int32_t* const out_;
    int32_t* products_ = nullptr;
    int16_t* inputs_ = nullptr;
};

}  // namespace aec
