#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "options.h"

namespace loadgen {

// What a run goes through. In `settle` and `finish` nothing new is sent and answers still come in, so that what is
// counted begins and ends with nothing in flight.
enum class Phase : int { open, warmup, settle, count, finish, stop };

struct Errors {
  std::atomic<uint64_t> connect{0};
  std::atomic<uint64_t> handshake{0};
  std::atomic<uint64_t> protocol{0};
  std::atomic<uint64_t> closed{0};
};

// What the threads of one run share. The coordinator writes `phase` and the times, the workers all else.
class Shared {
 public:
  explicit Shared(const Options& given) : options(given) {}

  const Options& options;
  sockaddr_storage address{};
  socklen_t address_bytes = 0;
  std::string authority;

  std::atomic<Phase> phase{Phase::open};
  // Of the present phase, if it sends. Written before `phase`.
  uint64_t begin_ns = 0;
  uint64_t end_ns = 0;

  std::atomic<uint64_t> ready{0};
  std::atomic<uint64_t> alive{0};
  std::atomic<bool> failed{false};
  Errors errors;

  // Remembers the first fault; a run reports one line. What a server said may be in it, so nothing but printable bytes.
  void note(std::string line) {
    std::replace_if(line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
    const std::lock_guard lock(mutex_);
    if (line_.empty()) line_ = std::move(line);
  }
  // Ends the run: it cannot be measured.
  void fail(const std::string& line) {
    note(line);
    failed.store(true);
  }
  std::string line() {
    const std::lock_guard lock(mutex_);
    return line_;
  }

 private:
  std::mutex mutex_;
  std::string line_;
};

}  // namespace loadgen
