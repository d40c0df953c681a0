#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "clock.h"
#include "connection.h"
#include "histogram.h"
#include "shared.h"

namespace loadgen {

// What one worker counted since the counted time began.
struct Counters {
  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t unexpected = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t last_received_ns = 0;
};

// One thread with its epoll and its connections: opens them, sets them up, reads and writes. A mode says what is sent
// when, by overriding the hooks; they run in the worker's thread.
class Worker {
 public:
  Worker(Shared& shared, uint32_t number);
  virtual ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void add_connection(const Group& group, bool publisher);
  void run();
  // From any thread: look at the phase, or at what other workers did.
  void wake() const;

  Phase seen_phase() const { return seen_phase_.load(std::memory_order_acquire); }
  uint64_t outstanding() const { return outstanding_now_.load(std::memory_order_acquire); }
  // Once the thread has ended.
  const Counters& counters() const { return counters_; }
  const Histogram& latency() const { return latency_; }

 protected:
  virtual void on_phase(Phase) {}
  // After the handshake. By default the setup follows.
  virtual void on_established(Connection& connection) { begin_setup(connection); }
  // A whole message of the expected size, setup over.
  virtual void on_message(Connection&) {}
  // All of one read is parsed.
  virtual void on_read_end(Connection&) {}
  // All events of one wake-up are handled.
  virtual void on_batch_end() {}
  // The connection is gone; `fault` is null if it ended as it should.
  virtual void on_lost(Connection& connection, const char* fault);
  // Before the connection is up: the attempt failed.
  virtual void on_refused(Connection& connection, const std::string& reason);
  // Messages whose answers are still awaited.
  virtual uint64_t awaiting_answers() const { return 0; }
  // The next moment at which `on_batch_end` must run, or UINT64_MAX.
  virtual uint64_t next_due_ns() const { return UINT64_MAX; }
  virtual uint32_t most_opening() const { return 64; }

  void open_connection(Connection& connection);
  void begin_setup(Connection& connection);
  void flush(Connection& connection);
  void close_connection(Connection& connection, Connection::State state);
  void lose(Connection& connection, const char* fault);
  bool sending() const { return phase_ == Phase::warmup || phase_ == Phase::count; }

  Shared& shared_;
  const Options& options_;
  const uint32_t number_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Phase phase_ = Phase::open;
  // The clock after the last read or wake-up: taken once, not per message.
  uint64_t now_ = 0;
  Counters counters_;
  Histogram latency_;
  uint32_t opening_ = 0;

 private:
  struct Sink {
    Worker& worker;
    Connection& connection;
    void message(uint64_t bytes, Opcode opcode, char first) { worker.take_message(connection, bytes, opcode, first); }
    bool control(Opcode opcode, std::string_view payload) { return worker.take_control(connection, opcode, payload); }
  };

  void open_more();
  void enter_phase();
  void arm_timer();
  void handle(Connection& connection, uint32_t events);
  void connected(Connection& connection);
  void readable(Connection& connection);
  size_t read_handshake(Connection& connection, const char* data, size_t size);
  void continue_setup(Connection& connection);
  void take_message(Connection& connection, uint64_t bytes, Opcode opcode, char first);
  bool take_control(Connection& connection, Opcode opcode, std::string_view payload);
  void watch_write(Connection& connection, bool wanted);

  const uint32_t mask_key_;
  const MessageBlock block_;
  const std::string pong_;
  int epoll_ = -1;
  int wake_ = -1;
  int timer_ = -1;
  uint64_t armed_ns_ = UINT64_MAX;
  size_t next_to_open_ = 0;
  std::vector<char> buffer_;
  std::atomic<Phase> seen_phase_{Phase::open};
  std::atomic<uint64_t> outstanding_now_{0};
};

}  // namespace loadgen
