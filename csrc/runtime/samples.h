// The last step to pixels: a 1x1 convolution, whose outputs at a position are a square of pixels, colour by colour.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/map.h"
#include "base/workers.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "runtime/layers.h"
#include "runtime/row_stream.h"

namespace aec {

// The positions that an area of pixels is made from.
inline Rectangle positions(int64_t side, Rectangle area) {
    return {area.top / side, area.left / side, (area.bottom + side - 1) / side, (area.right + side - 1) / side};
}

// put(value, at) for every sample of the area's line y; at counts the area's samples, [height][width][3]. values: what
// the line's row of positions, from `left` on, gives, `outputs` each, of which the first are [colour][side][side].
template <class Put>
void put_line(const int32_t* values, int64_t outputs, int64_t side, int64_t left, Rectangle area, int64_t y,
              const Put& put) {
    const int64_t plane = side * side, line = y % side * side;
    int64_t at = (y - area.top) * area.width() * 3;
    for (int64_t x = area.left; x < area.right;) {  // by positions: without a division for each pixel
        const int32_t* in = values + (x / side - left) * outputs + line + x % side;
        for (const int64_t to = std::min(area.right, (x / side + 1) * side); x < to; ++x, ++in)
            for (int c = 0; c < 3; ++c) put(in[c * plane], at++);
    }
}

// put(value, at), as above, for every sample of an area of pixels, by several threads; features: of its positions at
// least.
template <class Put>
void put_samples(RowCursor& features, const Conv& conv, int64_t side, Rectangle area, Workers& workers,
                 const Put& put) {
    const Rectangle needed = positions(side, area);
    const int64_t columns = needed.width();
    for_each_strip(features, [&](int64_t top, int64_t bottom) {
        workers.split(bottom - top, 1, [&](int64_t begin, int64_t end, Scratch& scratch) {
            int16_t* const row = scratch.take<int16_t>(columns * conv.in);
            int32_t* const values = scratch.take<int32_t>(columns * conv.out);
            for (int64_t y = top + begin; y < top + end; ++y) {
                kernels().clamp(features.row(y, needed.left), row, columns * conv.in, kConvInputMax);
                conv_1x1(conv, row, columns, values);
                const int64_t last = std::min(area.bottom, (y + 1) * side);
                for (int64_t i = std::max(area.top, y * side); i < last; ++i)
                    put_line(values, conv.out, side, needed.left, area, i, put);
            }
        });
    });
}

}  // namespace aec
