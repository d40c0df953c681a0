#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loadgen {

// RFC 6455 section 5.2.
enum Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

constexpr size_t kMaxControlPayload = 125;

// One whole frame as a client sends it: FIN set, masked with `mask_key`.
std::string client_frame(Opcode opcode, std::string_view payload, uint32_t mask_key);

// XORs `size` bytes with the four bytes of `mask_key`, in the order in which they lie in memory.
void mask_in_place(char* bytes, size_t size, uint32_t mask_key);

// One message as it is sent over and over: the masked frame, repeated to a block so that many leave in one write.
class MessageBlock {
 public:
  MessageBlock(std::string_view frame, size_t most_in_flight);

  const char* data() const { return bytes_.data(); }
  size_t frame_bytes() const { return frame_bytes_; }
  size_t frames() const { return frames_; }

 private:
  size_t frame_bytes_;
  size_t frames_;
  std::string bytes_;
};

}  // namespace loadgen
