#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace loadgen {

std::array<uint8_t, 20> sha1(std::string_view text);
std::string base64(std::string_view bytes);

// The Sec-WebSocket-Accept that belongs to a Sec-WebSocket-Key, RFC 6455 section 4.2.2.
std::string accept_key(std::string_view key);

}  // namespace loadgen
