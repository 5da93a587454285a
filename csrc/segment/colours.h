// Fewer colours for a lossless layer: those that are alike become one where that saves more bits than its error costs.
#pragma once
#include <cstdint>
#include <vector>

#include "segment/costs.h"

namespace aec {

// How many colours each block has: counts [rows][columns], up to 64. Drawings have few, photographs hardly ever.
void distinct_colours(const Samples& samples, int threads, uint8_t* counts);

// A way to have fewer colours, and what it gives.
struct FewerColours {
    float saved;       // of the bits that frequencies say, how many a lossless format needs
    uint8_t* samples;  // as those of the picture
    float* errors;     // [height][width], squared, the means of a pixel's samples
};

// Drawings and screens have hundreds of shades along their edges, or dithers of a few, which a lossless format pays for
// in full. It is a palette by agglomeration (Equitz, IEEE Trans. ASSP 37, 1989), where a merger's worth is what it
// saves at pixels that differ from their neighbours, less lambda times its error. inside [height][width]: the pixels
// whose colours count and change, or null if all do.
void fewer_colours(const Samples& samples, const uint8_t* inside, float lambda, int threads,
                   const std::vector<FewerColours>& ways);

}  // namespace aec
