#pragma once

#include <cstdint>
#include <memory>

#include "frame-reader.h"
#include "handshake.h"
#include "options.h"
#include "outbox.h"

namespace loadgen {

// One connection of a worker. What a mode knows about it lies in the mode, at `index`.
struct Connection {
  enum class State : uint8_t { unopened, connecting, handshaking, setup, ready, closing, dead };

  int fd = -1;
  State state = State::unopened;
  bool publisher = false;
  bool wants_write = false;
  // The ping after the setup is out: its pong shows that the server has read all that came before it.
  bool barrier = false;
  // Among the connections of its worker.
  uint32_t index = 0;
  const Group* group = nullptr;
  uint32_t setup_at = 0;
  uint32_t awaited = 0;
  uint64_t opened_ns = 0;
  std::unique_ptr<Handshake> handshake;
  FrameReader reader;
  Outbox outbox;

  bool open() const { return fd >= 0; }
};

}  // namespace loadgen
