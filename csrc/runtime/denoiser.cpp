#include "runtime/denoiser.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "runtime/row_stream.h"
#include "runtime/samples.h"

namespace aec {

void Denoiser::run(const uint8_t* pixels, int64_t height, int64_t width, int level, int threads, uint8_t* clean) const {
    constexpr int64_t kSide = kDenoiserSide;
    if (height < 1 || width < 1) throw std::invalid_argument("the picture is empty");
    if (level < 1 || level > kQualities)
        throw std::invalid_argument("the level of the noise is " + std::to_string(level) + ", not 1 to " +
                                    std::to_string(kQualities));
    Workers workers(threads);
    const int64_t columns = (width + kSide - 1) / kSide;
    RowStreamPointer f =
        stem(model_.stem, kSide, pixels, height, width, (height + kSide - 1) / kSide, columns, workers);
    for (const Block& b : model_.blocks) f = residual_block(b, f, f->area, Qualities{level}, workers);
    RowCursor features(f);
    put_samples(features, model_.head, kSide, {0, 0, height, width}, workers, [&](int32_t more, int64_t at) {
        clean[at] = static_cast<uint8_t>(std::min(255, std::max(0, pixels[at] + more)));
    });
}

}  // namespace aec
