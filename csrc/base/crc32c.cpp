// Eight bytes a step, each by a table of its own ("slicing by 8": Kounavis and Berry, IEEE Transactions on Computers
// 2008). Words are put together from bytes, so the order of the machine's bytes does not matter.
#include "base/crc32c.h"

#include <array>

namespace aec {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41 with its bits reversed
constexpr int kSlices = 8;

using Table = std::array<std::array<uint32_t, 256>, kSlices>;

// table[s][b]: what byte b becomes after s more bytes of zeros.
constexpr Table make_table() {
    Table table{};
    for (uint32_t b = 0; b < 256; ++b) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kPolynomial : 0);
        table[0][b] = crc;
    }
    for (int s = 1; s < kSlices; ++s)
        for (uint32_t b = 0; b < 256; ++b) table[s][b] = (table[s - 1][b] >> 8) ^ table[0][table[s - 1][b] & 255];
    return table;
}

constexpr Table kTable = make_table();

uint32_t little_endian(const uint8_t* p) {
    return p[0] | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}

}  // namespace

uint32_t crc32c(const uint8_t* data, size_t size, uint32_t crc) {
    crc = ~crc;
    for (; size >= kSlices; data += kSlices, size -= kSlices) {
        const uint32_t low = little_endian(data) ^ crc, high = little_endian(data + 4);
        crc = kTable[7][low & 255] ^ kTable[6][low >> 8 & 255] ^ kTable[5][low >> 16 & 255] ^ kTable[4][low >> 24] ^
              kTable[3][high & 255] ^ kTable[2][high >> 8 & 255] ^ kTable[1][high >> 16 & 255] ^ kTable[0][high >> 24];
    }
    for (; size > 0; ++data, --size) crc = (crc >> 8) ^ kTable[0][(crc ^ *data) & 255];
    return ~crc;
}

}  // namespace aec
