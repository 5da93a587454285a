// The picture that a file holds, as far as coding it depends on it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/map.h"
#include "model/constants.h"

namespace aec {

// The qualities of a level's positions: one for all, or those of a map.
struct Qualities {
    int everywhere = 0;
    const Map<uint8_t>* cells = nullptr;  // of the coarsest level's positions, or null
    int halvings = 0;                     // from the level to the coarsest one

    // body(begin, end, quality) sees the runs of equal quality among the positions left..right of row y.
    template <class Body>
    void for_each_run(int64_t y, int64_t left, int64_t right, const Body& body) const {
        if (!cells) return body(left, right, everywhere);
        const uint8_t* row = cells->row(y >> halvings);
        for (int64_t begin = left, end = left; begin < right; begin = end) {
            const uint8_t quality = row[begin >> halvings];
            while (end < right && row[end >> halvings] == quality)
                end = std::min(right, ((end >> halvings) + 1) << halvings);
            body(begin, end, int{quality});
        }
    }
};

struct Frame {
    // Throws std::invalid_argument if a value is out of range.
    Frame(int64_t height, int64_t width, int quality, int tile_log2, Map<uint8_t> map = {})
        : height(height), width(width), quality(quality), tile_log2(tile_log2), map(std::move(map)) {
        if (height < 1 || width < 1)
            throw std::invalid_argument("a picture of " + std::to_string(width) + " x " + std::to_string(height) +
                                        " pixels is empty");
        if (quality < 1 || quality > kQualities)
            throw std::invalid_argument("quality must be 1 to " + std::to_string(kQualities) + ", not " +
                                        std::to_string(quality));
        for (const uint8_t q : this->map.data)
            if (q < 1 || q > kQualities)
                throw std::invalid_argument("qualities must be 1 to " + std::to_string(kQualities) + ", not " +
                                            std::to_string(q));
        if (tile_log2 < kTileLog2Min || tile_log2 > kTileLog2Max)
            throw std::invalid_argument("tile_log2 must be " + std::to_string(kTileLog2Min) + " to " +
                                        std::to_string(kTileLog2Max) + ", not " + std::to_string(tile_log2));
    }

    int64_t height, width;  // in pixels
    int quality, tile_log2;
    Map<uint8_t> map;  // the quality of every position of the coarsest level; empty: that is `quality`

    bool has_map() const { return !map.data.empty(); }
};

// What of a frame a decoder is asked for: an area, in pixels, of the picture reduced by `scale`.
struct View {
    int scale = 1;
    Rectangle area;
};

}  // namespace aec
