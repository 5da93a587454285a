// Decodes a bundle of tools/portable/run.py and writes the pixels to stdout: the runtime alone, without Python, so that
// it can be built by any compiler for any machine and run under an emulator.
//
// usage: decode BUNDLE [KERNELS [THREADS]]
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "runtime/network.h"

namespace {

// Reads little-endian numbers on any machine.
class Reader {
public:
    explicit Reader(const char* path) {
        std::ifstream f(path, std::ios::binary);
        data_.assign(std::istreambuf_iterator<char>(f), {});
    }
    std::string bytes(size_t n) {
        if (n > data_.size() - at_) throw std::runtime_error("the bundle is cut short");
        at_ += n;
        return data_.substr(at_ - n, n);
    }
    template <class T>
    T number() {
        const std::string b = bytes(sizeof(T));
        uint32_t bits = 0;
        for (size_t i = 0; i < sizeof(T); ++i) bits |= static_cast<uint32_t>(static_cast<uint8_t>(b[i])) << 8 * i;
        if constexpr (sizeof(T) == 2) {
            const auto half = static_cast<uint16_t>(bits);
            T value;
            std::memcpy(&value, &half, sizeof value);
            return value;
        } else {
            T value;
            std::memcpy(&value, &bits, sizeof value);
            return value;
        }
    }
    int integer() { return number<int32_t>(); }
    std::string text() { return bytes(integer()); }
    template <class T>
    std::vector<T> numbers() {
        std::vector<T> out(integer());
        for (T& x : out) x = number<T>();
        return out;
    }

private:
    std::string data_;
    size_t at_ = 0;
};

template <class T>
using Named = std::map<std::string, std::vector<T>>;

template <class T>
const T* find(const Named<T>& tensors, const std::string& name, int64_t size) {
    const auto it = tensors.find(name);
    if (it == tensors.end() || static_cast<int64_t>(it->second.size()) != size)
        throw std::invalid_argument("no tensor " + name);
    return it->second.data();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    if (argc > 2) aec::choose_kernels(argv[2]);
    Reader in(argv[1]);
    aec::NetworkShape shape;
    shape.channels = in.numbers<int>();
    shape.hidden = in.numbers<int>();
    shape.analysis = in.numbers<int>();
    for (int i = in.integer(); i > 0; --i) {
        const std::vector<int> s = in.numbers<int>();
        shape.stages.push_back({s.at(0), s.at(1), s.at(2), s.at(3), s.at(4)});
    }
    const std::vector<int> previews = in.numbers<int>();
    for (size_t i = 0; i + 1 < previews.size(); i += 2) shape.previews.emplace_back(previews[i], previews[i + 1]);
    shape.feature_bits = in.integer();
    shape.codewords = in.integer();
    Named<int16_t> int16;
    Named<int32_t> int32;
    Named<float> float32;
    for (int i = in.integer(); i > 0; --i) {
        const std::string type = in.text(), name = in.text();
        if (type == "int16") int16[name] = in.numbers<int16_t>();
        else if (type == "int32") int32[name] = in.numbers<int32_t>();
        else float32[name] = in.numbers<float>();
    }
    const aec::Network network(
        aec::Model(shape, {[&](const std::string& n, int64_t s) { return find(int16, n, s); },
                           [&](const std::string& n, int64_t s) { return find(int32, n, s); },
                           [&](const std::string& n, int64_t s) { return find(float32, n, s); }}));
    for (int cases = in.integer(); cases > 0; --cases) {
        const int height = in.integer(), width = in.integer(), quality = in.integer(), tile_log2 = in.integer();
        const int rows = in.integer(), columns = in.integer();
        aec::Map<uint8_t> map(rows, columns, 1);
        const std::vector<int> cells = in.numbers<int>();
        for (size_t i = 0; i < cells.size(); ++i) map.data.at(i) = static_cast<uint8_t>(cells[i]);
        aec::Streams streams(in.integer());
        for (auto& tiles : streams) {
            tiles.resize(in.integer());
            for (auto& t : tiles) t = in.text();
        }
        std::vector<uint8_t> pixels(static_cast<size_t>(height) * width * 3);
        const aec::Frame frame(height, width, quality, tile_log2, map);
        network.decode(streams, frame, network.view(frame, 1, std::nullopt), {}, argc > 3 ? std::atoi(argv[3]) : 1,
                       pixels.data());
        std::fwrite(pixels.data(), 1, pixels.size(), stdout);
    }
}
