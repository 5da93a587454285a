// Any bytes are safe to read as a rANS stream, and what the encoder writes is what the decoder reads.
#include "entropy/rans.h"

#include <cstdlib>
#include <vector>

#include "input.h"

using aec::fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input in(data, size);
    const int symbols = static_cast<int>(in.of(1, 256)), count = static_cast<int>(in.of(0, 200));
    std::vector<uint16_t> frequencies(symbols, 1);
    if (symbols == 1) return 0;
    int left = static_cast<int>(aec::kFrequencyTotal) - symbols;
    for (int i = 0; i + 1 < symbols; ++i) {
        const int more = left * in.byte() / 256;
        frequencies[i] = static_cast<uint16_t>(frequencies[i] + more), left -= more;
    }
    frequencies.back() = static_cast<uint16_t>(frequencies.back() + left);

    std::vector<int> written;
    aec::RansEncoder encoder;
    for (int i = 0; i < count; ++i) {
        written.push_back(in.byte() % symbols);
        encoder.write(frequencies.data(), written.back());
    }
    const std::string stream = encoder.finish();
    aec::RansDecoder decoder(reinterpret_cast<const uint8_t*>(stream.data()), stream.size());
    for (const int k : written)
        if (decoder.read(frequencies.data()) != k) std::abort();
    decoder.finish();

    try {
        aec::RansDecoder any(in.rest(), in.left());
        for (int i = 0; i < count; ++i) any.read(frequencies.data());
        any.finish();
    } catch (const aec::CorruptStream&) {
    }
    return 0;
}
