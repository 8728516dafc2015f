// CRC-32C (Castagnoli), as RFC 3720 appendix B.4 defines it: reflected 0x1EDC6F41, inverted at both
// ends.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The checksum of `length` bytes that follow bytes whose checksum is `crc` (0 at the beginning).
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

// The same without the processor's help, for processors without it and to check it against.
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length);
