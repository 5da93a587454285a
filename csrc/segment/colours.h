// Fewer colours for a lossless layer: those that are alike become one where that saves more bits than its error costs.
#pragma once
#include <cstdint>

#include "segment/costs.h"

namespace aec {

// How many colours each block has: counts [rows][columns], up to 64. Drawings have few, photographs hardly ever.
void distinct_colours(const Samples& samples, int threads, uint8_t* counts);

// Drawings and screens have hundreds of shades along their edges, or dithers of a few, which a lossless format pays for
// in full. Colours are merged here, those first that save the most bits for their squared error, the mean of a pixel's
// samples, as long as that is more than lambda: pairwise nearest neighbours (Equitz, IEEE Trans. ASSP 37, 1989) with a
// rate, which is of pixels unlike the one to the left and the one above, by their colours' frequencies. inside
// [rows][columns]: the blocks whose colours count and change, or null if all do. result: as the samples; errors
// [rows][columns]: squared, a block's sum.
void fewer_colours(const Samples& samples, const uint8_t* inside, float lambda, int threads, uint8_t* result,
                   float* errors);

}  // namespace aec
