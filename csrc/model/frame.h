// The picture that a file holds, as far as coding it depends on it.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "base/map.h"
#include "model/constants.h"

namespace aec {

struct Frame {
    // Throws std::invalid_argument if a value is out of range.
    Frame(int64_t height, int64_t width, int quality, int tile_log2)
        : height(height), width(width), quality(quality), tile_log2(tile_log2) {
        if (height < 1 || width < 1)
            throw std::invalid_argument("a picture of " + std::to_string(width) + " x " + std::to_string(height) +
                                        " pixels is empty");
        if (quality < 1 || quality > kQualities)
            throw std::invalid_argument("quality must be 1 to " + std::to_string(kQualities) + ", not " +
                                        std::to_string(quality));
        if (tile_log2 < kTileLog2Min || tile_log2 > kTileLog2Max)
            throw std::invalid_argument("tile_log2 must be " + std::to_string(kTileLog2Min) + " to " +
                                        std::to_string(kTileLog2Max) + ", not " + std::to_string(tile_log2));
    }

    int64_t height, width;  // in pixels
    int quality, tile_log2;
};

// What of a frame a decoder is asked for: an area, in pixels, of the picture reduced by `scale`.
struct View {
    int scale = 1;
    Rectangle area;
};

}  // namespace aec
