#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "frame.h"

namespace loadgen {

enum class Flushed { all, blocked, broken };

// What a connection still has to send: a number of copies of the one message, which are never stored, and a few bytes of
// its own (handshake, setup, pongs). These go out between two copies, never inside one.
class Outbox {
 public:
  void add_bytes(std::string_view bytes) { bytes_.append(bytes); }
  void add_messages(uint64_t count) { messages_ += count; }
  bool empty() const { return messages_ == 0 && bytes_.empty(); }
  size_t own_bytes() const { return bytes_.size() - bytes_sent_; }
  void clear() { *this = Outbox(); }

  // Writes until all is out or the socket takes no more. Adds what was written to `bytes_out`.
  Flushed flush(int fd, const MessageBlock& block, uint64_t& bytes_out);

 private:
  void advance(size_t written, size_t frame_bytes);

  std::string bytes_;
  size_t bytes_sent_ = 0;
  uint64_t messages_ = 0;
  // Bytes of the first copy that are out already.
  size_t offset_ = 0;
};

}  // namespace loadgen
