// The network that takes noise out of a picture before it is coded, in fixed point.
#pragma once
#include <cstdint>

#include "model/model.h"

namespace aec {

class Denoiser {
public:
    explicit Denoiser(DenoiserModel model) : model_(std::move(model)) {}

    // pixels and clean [height][width][3], which are not the same; level: of the noise, 1 to kQualities. Throws
    // std::invalid_argument if there are no pixels or no such level.
    void run(const uint8_t* pixels, int64_t height, int64_t width, int level, int threads, uint8_t* clean) const;

private:
    DenoiserModel model_;
};

}  // namespace aec
