// A model of any shape with any tables is refused, or can encode and decode.
#include "model/model.h"

#include <cstdlib>

#include "input.h"
#include "runtime/network.h"
#include "tables.h"

using namespace aec;
using fuzz::Input;

namespace {

int size(Input& in) {  // mostly one that there can be
    const uint8_t kind = in.byte();
    if (kind < 200) return 16 * (1 + kind % 2);
    return kind < 230 ? static_cast<int8_t>(in.byte()) : static_cast<int32_t>(in.number(4));
}

int small(Input& in, int most) {
    const uint8_t kind = in.byte();
    return kind < 230 ? kind % (most + 1) : static_cast<int32_t>(in.number(4));
}

NetworkShape any_shape(Input& in) {
    NetworkShape s = fuzz::small_shape();
    if (in.byte() < 100) return s;
    const int levels = in.byte() % 4;
    s.channels.clear(), s.hidden.clear(), s.analysis.clear(), s.stages.clear(), s.previews.clear();
    for (int i = 0; i < levels; ++i)
        s.channels.push_back(size(in)), s.hidden.push_back(size(in)), s.analysis.push_back(small(in, 1));
    const int stages = in.byte() % 5;
    for (int i = 0; i < stages; ++i)
        s.stages.push_back({in.byte() < 200 ? levels - 1 - i * levels / stages : small(in, 3), size(in),
                            1 + small(in, 2), small(in, 1), in.byte() < 200 ? i / 2 : small(in, 3)});
    for (int i = in.byte() % 3; i > 0; --i) s.previews.emplace_back(1 << in.byte() % 5, small(in, 4));
    s.feature_bits = in.byte() < 200 ? 8 : small(in, 16);
    s.codewords = in.byte() < 200 ? 64 : small(in, 255);
    return s;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t length) {
    Input in(data, length);
    const NetworkShape shape = any_shape(in);
    fuzz::Tables tables(static_cast<uint64_t>(in.number(4)),
                        in.byte() < 128 ? 0 : 1 + static_cast<uint32_t>(in.number(3)));
    tables.codewords = shape.codewords > 0 ? shape.codewords : 1;
    try {
        const Network network(Model(shape, tables.tensors()));
        const Frame frame(in.of(1, 40), in.of(1, 40), static_cast<int>(in.of(1, 100)), 7);
        std::vector<uint8_t> pixels(static_cast<size_t>(frame.height * frame.width * 3));
        for (auto& p : pixels) p = in.byte();
        const std::vector<Search> search(shape.stages.size(), Search{1.0f, 2, false});
        const Encoded e = network.encode(pixels.data(), frame, search, {}, 1);
        Streams streams;
        for (const auto& tiles : e.streams) streams.emplace_back(tiles.begin(), tiles.end());
        network.decode(streams, frame, network.view(frame, 1, std::nullopt), {}, 1, pixels.data());
    } catch (const std::invalid_argument&) {
    }
    return 0;
}
