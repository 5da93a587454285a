// Any bytes as coded tiles, whole, in part and reduced: pixels or CorruptStream; and as many threads as one give the
// same.
#include <cstdlib>

#include "input.h"
#include "runtime/network.h"
#include "tables.h"

using namespace aec;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static fuzz::Tables* const tables = [] {
        auto* t = new fuzz::Tables(1, 0);
        t->codewords = fuzz::small_shape().codewords;
        return t;
    }();
    static const Network* const network = new Network(Model(fuzz::small_shape(), tables->tensors()));
    fuzz::Input in(data, size);
    const Frame frame(in.of(1, 100), in.of(1, 100), static_cast<int>(in.of(1, 100)), 6);
    const int scale = in.byte() % 3 ? 1 : 8;
    const int64_t tiles = ((frame.height + 63) / 64) * ((frame.width + 63) / 64);
    Streams streams(2);
    for (auto& stream : streams)
        for (int64_t t = 0; t < tiles; ++t) {
            const uint8_t kind = in.byte();
            if (kind < 20) {
                stream.emplace_back(std::nullopt);
                continue;
            }
            std::string bytes;
            for (int64_t i = in.of(0, 1 + kind); i > 0; --i) bytes.push_back(static_cast<char>(in.byte()));
            stream.emplace_back(std::move(bytes));
        }
    const Rectangle all{0, 0, (frame.height + scale - 1) / scale, (frame.width + scale - 1) / scale};
    Rectangle area = all;
    area.top = in.of(0, all.bottom - 1), area.left = in.of(0, all.right - 1);
    const View whole = network->view(frame, scale, std::nullopt), part = network->view(frame, scale, area);
    std::vector<uint8_t> one(static_cast<size_t>(all.height() * all.width() * 3)), two(one), some(one);
    std::vector<uint16_t> wide(one.size());
    bool corrupt = false;
    try {
        network->decode(streams, frame, whole, {}, 1, one.data());
        network->decode(streams, frame, whole, {}, 1, wide.data());
    } catch (const CorruptStream&) {
        corrupt = true;
    }
    try {
        network->decode(streams, frame, whole, {}, 3, two.data());
        if (corrupt || one != two) std::abort();
        network->decode(streams, frame, part, {}, 1, some.data());
        for (int64_t y = 0; y < area.height(); ++y)
            for (int64_t i = 0; i < area.width() * 3; ++i)
                if (some[y * area.width() * 3 + i] != one[((area.top + y) * all.width() + area.left) * 3 + i])
                    std::abort();
    } catch (const CorruptStream&) {
        if (!corrupt) std::abort();
    }
    try {
        const Codes codes = network->decode_codes(streams, frame, static_cast<int>(network->shape().stages.size()), 1);
        const Encoded e = network->encode(codes, frame, 1);
        if (e.streams.size() != streams.size()) std::abort();
    } catch (const CorruptStream&) {
    }
    return 0;
}
