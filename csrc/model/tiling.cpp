#include "model/tiling.h"

#include <algorithm>

namespace aec {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Tiling::Tiling(const Frame& frame, int64_t multiple)
    : height_(divide_up(frame.height, multiple) * multiple),
      width_(divide_up(frame.width, multiple) * multiple),
      rows_(divide_up(height_, int64_t{1} << frame.tile_log2)),
      columns_(divide_up(width_, int64_t{1} << frame.tile_log2)),
      tile_log2_(frame.tile_log2) {
    if ((int64_t{1} << tile_log2_) % multiple)
        throw std::invalid_argument("tiles of 2^" + std::to_string(tile_log2_) + " pixels are no multiple of " +
                                    std::to_string(multiple));
}

Rectangle Tiling::at(int64_t row, int64_t column, int level) const {
    const int64_t tile = side(level);
    const Rectangle all = whole(level);
    return {row * tile, column * tile, std::min((row + 1) * tile, all.bottom),
            std::min((column + 1) * tile, all.right)};
}

Rectangle Tiling::around(Rectangle r, int level) const {
    const int64_t tile = side(level);
    return {r.top / tile, r.left / tile, divide_up(r.bottom, tile), divide_up(r.right, tile)};
}

Rectangle Tiling::inside(Rectangle tiles, int level) const {
    const Rectangle first = at(tiles.top, tiles.left, level), last = at(tiles.bottom - 1, tiles.right - 1, level);
    return {first.top, first.left, last.bottom, last.right};
}

}  // namespace aec
