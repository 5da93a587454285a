// What layers of the network do to one row.
#pragma once
#include <cstdint>

#include "model/model.h"

namespace aec {

// A 1x1 convolution of one row: in [width][conv.in], clamped already, to out [width][conv.out].
void conv_1x1(const Conv& conv, const int16_t* in, int64_t width, int32_t* out);
void saturate(const int32_t* in, int16_t* out, int64_t count);

}  // namespace aec
