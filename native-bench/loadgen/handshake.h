#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loadgen {

// The client's side of one opening handshake, RFC 6455 section 4.1. No extension is offered.
class Handshake {
 public:
  enum class State { reading, accepted, refused };

  Handshake(std::string_view authority, std::string_view path, std::string_view subprotocol, uint64_t random_high,
            uint64_t random_low);

  const std::string& request() const { return request_; }

  // Takes bytes of the answer and says how many of them belonged to it; frames may follow in the same read.
  State feed(std::string_view bytes, size_t& taken);

  // Why it was refused, one line.
  const std::string& reason() const { return reason_; }

 private:
  State judge(std::string_view head);
  State refuse(std::string reason);

  std::string request_;
  std::string subprotocol_;
  std::string expected_accept_;
  std::string head_;
  std::string reason_;
};

}  // namespace loadgen
