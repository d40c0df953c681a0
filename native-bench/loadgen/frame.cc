#include "frame.h"

#include <algorithm>
#include <cstring>

namespace loadgen {

void mask_in_place(char* bytes, size_t size, uint32_t mask_key) {
  const uint64_t twice = (static_cast<uint64_t>(mask_key) << 32) | mask_key;
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + at, 8);
    word ^= twice;
    std::memcpy(bytes + at, &word, 8);
  }
  char key[4];
  std::memcpy(key, &mask_key, 4);
  for (; at < size; at++) bytes[at] = static_cast<char>(bytes[at] ^ key[at & 3]);
}

std::string client_frame(Opcode opcode, std::string_view payload, uint32_t mask_key) {
  std::string frame;
  frame.reserve(payload.size() + 14);
  frame.push_back(static_cast<char>(0x80 | opcode));
  const uint64_t size = payload.size();
  int length_bytes = 0;
  if (size < 126) {
    frame.push_back(static_cast<char>(0x80 | size));
  } else if (size < 65536) {
    frame.push_back(static_cast<char>(0x80 | 126));
    length_bytes = 2;
  } else {
    frame.push_back(static_cast<char>(0x80 | 127));
    length_bytes = 8;
  }
  for (int i = length_bytes - 1; i >= 0; i--) frame.push_back(static_cast<char>((size >> (8 * i)) & 0xff));
  char key[4];
  std::memcpy(key, &mask_key, 4);
  frame.append(key, 4);
  const size_t start = frame.size();
  frame.append(payload);
  mask_in_place(frame.data() + start, payload.size(), mask_key);
  return frame;
}

MessageBlock::MessageBlock(std::string_view frame, size_t most_in_flight) : frame_bytes_(frame.size()), frames_(1) {
  constexpr size_t kBlockBytes = 65536;
  frames_ = std::clamp<size_t>(kBlockBytes / frame_bytes_, 1, std::max<size_t>(1, most_in_flight));
  bytes_.reserve(frames_ * frame_bytes_);
  for (size_t i = 0; i < frames_; i++) bytes_.append(frame);
}

}  // namespace loadgen
