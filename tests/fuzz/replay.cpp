// Runs a target on files, one after the other, where there is no libFuzzer; or on so many inputs of random bytes.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int count, char** arguments) {
    if (count == 3 && std::string(arguments[1]) == "--random") {
        std::mt19937 random(1);
        for (long i = std::atol(arguments[2]); i > 0; --i) {
            std::vector<uint8_t> data(random() % 600);
            for (auto& byte : data) byte = static_cast<uint8_t>(random());
            LLVMFuzzerTestOneInput(data.data(), data.size());
        }
        return 0;
    }
    for (int i = 1; i < count; ++i) {
        std::ifstream file(arguments[i], std::ios::binary);
        const std::vector<char> data((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(data.data()), data.size());
    }
    std::printf("%d inputs\n", count - 1);
    return 0;
}
