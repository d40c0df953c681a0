#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "frame.h"

namespace loadgen {

// Parses what a server sends, cut anywhere. It keeps no payload but that of control frames: a message is its size, its
// opcode and its first byte. UTF-8 is not checked: that would be the client's work, not the server's.
//
// A sink has `void message(uint64_t bytes, Opcode, char first)` and `bool control(Opcode, std::string_view)`; false ends
// the reading for good.
class FrameReader {
 public:
  // Null, or what the server did wrong.
  template <class Sink>
  const char* feed(const char* data, size_t size, Sink&& sink) {
    const char* const end = data + size;
    while (!ended_) {
      if (!in_frame_) {
        if (data == end) return nullptr;
        const uint8_t* header = next_header(data, end);
        if (header == nullptr) return nullptr;
        const char* fault = open_frame(header);
        if (fault != nullptr) return fault;
      }
      const size_t taken = static_cast<size_t>(std::min<uint64_t>(left_, static_cast<uint64_t>(end - data)));
      if (is_control()) {
        std::memcpy(control_ + control_bytes_, data, taken);
        control_bytes_ = static_cast<uint8_t>(control_bytes_ + taken);
      } else if (message_bytes_ == 0 && taken > 0) {
        first_ = *data;
      }
      if (!is_control()) message_bytes_ += taken;
      data += taken;
      left_ -= taken;
      if (left_ > 0) return nullptr;
      in_frame_ = false;
      if (is_control()) {
        const uint8_t bytes = control_bytes_;
        control_bytes_ = 0;
        if (!sink.control(static_cast<Opcode>(opcode_), std::string_view(control_, bytes))) ended_ = true;
      } else if (fin_) {
        const uint64_t bytes = message_bytes_;
        message_bytes_ = 0;
        in_message_ = false;
        sink.message(bytes, message_opcode_, bytes == 0 ? '\0' : first_);
      }
    }
    return nullptr;
  }

 private:
  bool is_control() const { return (opcode_ & 8) != 0; }

  static size_t header_bytes(uint8_t second) {
    const uint8_t length = second & 0x7f;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
  }

  // A header that lies whole in the data is read in place; one that is cut is collected in `header_`.
  const uint8_t* next_header(const char*& data, const char* end) {
    if (header_have_ == 0 && end - data >= 2) {
      const auto* start = reinterpret_cast<const uint8_t*>(data);
      const size_t needed = header_bytes(start[1]);
      if (static_cast<size_t>(end - data) >= needed) {
        data += needed;
        return start;
      }
    }
    while (data != end) {
      header_[header_have_++] = static_cast<uint8_t>(*data++);
      if (header_have_ >= 2 && header_have_ == header_bytes(header_[1])) {
        header_have_ = 0;
        return header_;
      }
    }
    return nullptr;
  }

  const char* open_frame(const uint8_t* header) {
    opcode_ = header[0] & 0x0f;
    fin_ = (header[0] & 0x80) != 0;
    if ((header[0] & 0x70) != 0) return "a frame with reserved bits set";
    if ((header[1] & 0x80) != 0) return "a masked frame from the server";
    left_ = header[1] & 0x7f;
    if (left_ >= 126) {
      const size_t bytes = left_ == 126 ? 2 : 8;
      left_ = 0;
      for (size_t i = 0; i < bytes; i++) left_ = (left_ << 8) | header[2 + i];
      if (left_ < (bytes == 2 ? 126u : 65536u)) return "a length that is not written in its shortest form";
      if ((left_ >> 63) != 0) return "a length of more than 63 bits";
    }
    if (is_control()) {
      if (opcode_ > kPong) return "an unknown control opcode";
      if (!fin_) return "a fragmented control frame";
      if (left_ > kMaxControlPayload) return "a control frame of more than 125 bytes";
    } else if (opcode_ == kContinuation) {
      if (!in_message_) return "a continuation of nothing";
    } else {
      if (opcode_ > kBinary) return "an unknown opcode";
      if (in_message_) return "a new message inside a fragmented one";
      in_message_ = true;
      message_opcode_ = static_cast<Opcode>(opcode_);
    }
    in_frame_ = true;
    return nullptr;
  }

  uint64_t left_ = 0;
  uint64_t message_bytes_ = 0;
  Opcode message_opcode_ = kText;
  uint8_t opcode_ = 0;
  bool fin_ = false;
  bool in_frame_ = false;
  bool in_message_ = false;
  bool ended_ = false;
  char first_ = '\0';
  uint8_t header_have_ = 0;
  uint8_t control_bytes_ = 0;
  uint8_t header_[10] = {};
  char control_[kMaxControlPayload] = {};
};

}  // namespace loadgen
