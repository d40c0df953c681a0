#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "frame.h"

namespace loadgen {

enum class Mode { echo, fanout, connect, idle, latency };

const char* mode_name(Mode mode);

// Sent by a connection after its handshake; then so many messages are awaited.
struct SetupStep {
  std::string payload;
  uint32_t replies = 0;
};

// How one kind of connection behaves.
struct Group {
  std::string subprotocol;
  std::vector<SetupStep> setup;
  Opcode opcode = kText;
  // Size of a counted message as received; 0: any.
  uint64_t expect_bytes = 0;
};

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  std::string path = "/";
  Mode mode = Mode::echo;
  uint32_t connections = 1;
  uint32_t threads = 1;
  uint64_t warmup_ms = 0;
  uint64_t duration_ms = 1000;
  // How long answers are waited for when nothing more is sent, before they are lost.
  uint64_t grace_ms = 2000;
  uint32_t pipeline = 1;
  // Messages per second in all; 0: closed loop.
  double rate = 0;
  std::string message;
  Opcode opcode = kText;
  uint32_t await_first = 0;
  bool keepalive_engineio = false;
  uint32_t publishers = 1;
  int server_pid = 0;
  uint64_t seed = 0;
  // At least one. Connection i belongs to group i mod size.
  std::vector<Group> groups;
  Group publisher;

  bool has_publisher() const { return mode == Mode::fanout || mode == Mode::latency; }
};

// What the caller gave is wrong; the text is one line.
struct OptionError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws OptionError. Nothing when help was asked for.
std::optional<Options> parse_options(int count, char** arguments);

}  // namespace loadgen
