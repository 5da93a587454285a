// How a picture is cut into tiles.
#pragma once
#include "model/frame.h"

namespace aec {

// Splits a picture, padded to `multiple`, in square tiles, row by row.
class Tiling {
public:
    Tiling(const Frame& frame, int64_t multiple);
    int64_t rows() const { return rows_; }
    int64_t columns() const { return columns_; }
    int64_t count() const { return rows_ * columns_; }

    // In positions of a level: a tile's side, the whole padded picture, a tile.
    int64_t side(int level) const { return (int64_t{1} << tile_log2_) / unit(level); }
    Rectangle whole(int level) const { return {0, 0, height_ / unit(level), width_ / unit(level)}; }
    Rectangle at(int64_t row, int64_t column, int level) const;

    // The tiles that hold an area of a level's positions, in tiles; and the positions of such tiles.
    Rectangle around(Rectangle positions, int level) const;
    Rectangle inside(Rectangle tiles, int level) const;

private:
    static int64_t unit(int level) { return int64_t{kBlock} << level; }  // pixels on a side of a position

    int64_t height_, width_;  // padded
    int64_t rows_, columns_;
    int tile_log2_;
};

}  // namespace aec
