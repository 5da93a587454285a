#include "runtime/denoiser.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/kernels.h"
#include "runtime/row_stream.h"

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
    const Conv& head = model_.head;
    for_each_strip(features, [&](int64_t top, int64_t bottom) {
        workers.split(bottom - top, 1, [&](int64_t begin, int64_t end, Scratch& scratch) {
            int16_t* const row = scratch.take<int16_t>(columns * head.in);
            int32_t* const sums = scratch.take<int32_t>(columns * head.out);
            for (int64_t y = top + begin; y < top + end; ++y) {
                kernels().clamp(features.row(y, 0), row, columns * head.in, kConvInputMax);
                conv_1x1(head, row, columns, sums);
                for (int64_t i = 0; i < std::min(kSide, height - y * kSide); ++i)
                    for (int64_t x = 0; x < width; ++x)
                        for (int64_t c = 0; c < 3; ++c) {
                            const int64_t at = ((y * kSide + i) * width + x) * 3 + c;
                            const int32_t more = sums[x / kSide * head.out + (c * kSide + i) * kSide + x % kSide];
                            clean[at] = static_cast<uint8_t>(std::min(255, std::max(0, pixels[at] + more)));
                        }
            }
        });
    });
}

}  // namespace aec
