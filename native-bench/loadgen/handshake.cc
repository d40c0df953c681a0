#include "handshake.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "accept-key.h"

namespace loadgen {

namespace {

constexpr size_t kMaxHeadBytes = 16384;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (lower(trim(list.substr(0, comma))) == token) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

Handshake::Handshake(std::string_view authority, std::string_view path, std::string_view subprotocol,
                     uint64_t random_high, uint64_t random_low)
    : subprotocol_(subprotocol) {
  char bytes[16];
  std::memcpy(bytes, &random_high, 8);
  std::memcpy(bytes + 8, &random_low, 8);
  const std::string key = base64(std::string_view(bytes, 16));
  expected_accept_ = accept_key(key);
  request_.append("GET ").append(path).append(" HTTP/1.1\r\nHost: ").append(authority);
  request_.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
  request_.append(key).append("\r\n");
  if (!subprotocol.empty()) request_.append("Sec-WebSocket-Protocol: ").append(subprotocol).append("\r\n");
  request_.append("\r\n");
}

Handshake::State Handshake::feed(std::string_view bytes, size_t& taken) {
  const size_t before = head_.size();
  head_.append(bytes.substr(0, kMaxHeadBytes));
  const size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    taken = bytes.size();
    return head_.size() >= kMaxHeadBytes ? refuse("the answer has no end within 16,384 bytes") : State::reading;
  }
  taken = end + 4 - before;
  return judge(std::string_view(head_).substr(0, end + 2));
}

Handshake::State Handshake::judge(std::string_view head) {
  const size_t line_end = head.find("\r\n");
  const std::string_view status = head.substr(0, line_end);
  if (!status.starts_with("HTTP/1.1 101")) return refuse("the server answered \"" + std::string(status.substr(0, 120)) + "\"");
  bool upgraded = false;
  bool connected = false;
  bool accepted = false;
  bool agreed = subprotocol_.empty();
  size_t at = line_end + 2;
  while (at < head.size()) {
    const size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    at = end + 2;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return refuse("a header line without a colon");
    const std::string name = lower(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (name == "upgrade") upgraded = lower(value) == "websocket";
    if (name == "connection") connected = has_token(value, "upgrade");
    if (name == "sec-websocket-accept") accepted = value == expected_accept_;
    if (name == "sec-websocket-extensions") return refuse("an extension that was not offered");
    if (name == "sec-websocket-protocol") {
      if (subprotocol_.empty() || value != subprotocol_) {
        return refuse("subprotocol \"" + std::string(value.substr(0, 60)) + "\", which was not offered");
      }
      agreed = true;
    }
  }
  if (!upgraded || !connected) return refuse("101 without Upgrade: websocket and Connection: Upgrade");
  if (!accepted) return refuse("101 with a wrong Sec-WebSocket-Accept, or with none");
  if (!agreed) return refuse("subprotocol \"" + subprotocol_ + "\" was offered, the server chose none");
  return State::accepted;
}

Handshake::State Handshake::refuse(std::string reason) {
  reason_ = std::move(reason);
  return State::refused;
}

}  // namespace loadgen
