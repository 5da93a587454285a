#include "runtime/denoiser.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "runtime/row_stream.h"

namespace aec {

void Denoiser::run(const uint8_t* pixels, int64_t height, int64_t width, int level, int threads, uint8_t* clean) const {
    constexpr int64_t kSide = kDenoiserSide;
    if (height < 1 || width < 1) throw std::invalid_argument("the picture is empty");
    if (level < 1 || level > kQualities)
        throw std::invalid_argument("the level of the noise is " + std::to_string(level) + ", not 1 to " +
                                    std::to_string(kQualities));
    const int64_t columns = (width + kSide - 1) / kSide;
    RowStreamPointer f =
        stem(model_.stem, kSide, pixels, height, width, (height + kSide - 1) / kSide, columns, threads);
    for (const Block& b : model_.blocks) f = residual_block(b, f, f->area, Qualities{level}, threads);
    RowCursor features(f);
    const Conv& head = model_.head;
    for_each_strip(features, [&](int64_t top, int64_t bottom) {
        parallel_for(bottom - top, threads, 1, [&](int64_t begin, int64_t end, int) {
            std::vector<int16_t> row(columns * head.in);
            std::vector<int32_t> sums(columns * head.out);
            for (int64_t y = top + begin; y < top + end; ++y) {
                kernels().clamp(features.row(y, 0), row.data(), columns * head.in, kConvInputMax);
                conv_1x1(head, row.data(), columns, sums.data());
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
