// CRC-32C (Castagnoli), the checksum of the file's chunks: RFC 3720, appendix B.4.
#pragma once
#include <cstddef>
#include <cstdint>

namespace aec {

// The checksum of `size` bytes; `crc` is that of the bytes before them, so that a checksum can be made in parts.
uint32_t crc32c(const uint8_t* data, size_t size, uint32_t crc = 0);

}  // namespace aec
