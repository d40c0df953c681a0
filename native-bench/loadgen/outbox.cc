#include "outbox.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace loadgen {

Flushed Outbox::flush(int fd, const MessageBlock& block, uint64_t& bytes_out) {
  constexpr size_t kPieces = 16;
  const size_t frame_bytes = block.frame_bytes();
  while (!empty()) {
    iovec pieces[kPieces];
    size_t count = 0;
    size_t total = 0;
    const auto add = [&](const char* data, size_t size) {
      pieces[count++] = {const_cast<char*>(data), size};
      total += size;
    };
    uint64_t whole = messages_;
    if (offset_ > 0) {
      add(block.data() + offset_, frame_bytes - offset_);
      whole--;
    }
    if (own_bytes() > 0) add(bytes_.data() + bytes_sent_, own_bytes());
    while (whole > 0 && count < kPieces) {
      const uint64_t frames = std::min<uint64_t>(whole, block.frames());
      add(block.data(), static_cast<size_t>(frames) * frame_bytes);
      whole -= frames;
    }
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    const ssize_t written = count == 1 ? send(fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
                                       : sendmsg(fd, &message, MSG_NOSIGNAL);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Flushed::blocked : Flushed::broken;
    }
    bytes_out += static_cast<uint64_t>(written);
    advance(static_cast<size_t>(written), frame_bytes);
    if (static_cast<size_t>(written) < total) return Flushed::blocked;
  }
  return Flushed::all;
}

void Outbox::advance(size_t written, size_t frame_bytes) {
  if (offset_ > 0) {
    const size_t taken = std::min(written, frame_bytes - offset_);
    offset_ += taken;
    written -= taken;
    if (offset_ == frame_bytes) {
      offset_ = 0;
      messages_--;
    }
  }
  if (written > 0 && own_bytes() > 0) {
    const size_t taken = std::min(written, own_bytes());
    bytes_sent_ += taken;
    written -= taken;
    if (own_bytes() == 0) {
      bytes_.clear();
      bytes_sent_ = 0;
    }
  }
  if (written > 0) {
    messages_ -= written / frame_bytes;
    offset_ = written % frame_bytes;
  }
}

}  // namespace loadgen
