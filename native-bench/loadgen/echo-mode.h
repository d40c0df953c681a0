#pragma once

#include <vector>

#include "worker.h"

namespace loadgen {

// Every connection sends the message and gets one back. The n-th answer on a connection belongs to its n-th message.
// Closed loop: `pipeline` messages in flight per connection. Open loop: message k in all is due at k / rate, on the
// connections in turn, whatever is still in flight; its latency runs from that moment.
class EchoWorker final : public Worker {
 public:
  using Worker::Worker;

 protected:
  void on_phase(Phase phase) override;
  void on_message(Connection& connection) override;
  void on_read_end(Connection& connection) override;
  void on_batch_end() override;
  void on_lost(Connection& connection, const char* fault) override;
  uint64_t awaiting_answers() const override { return awaiting_; }
  uint64_t next_due_ns() const override;

 private:
  // Of one connection, since the phase began.
  struct Flow {
    uint64_t sent = 0;
    uint64_t answered = 0;
  };

  bool open_loop() const { return options_.rate > 0; }
  uint64_t due_ns(uint64_t round, uint64_t index) const;
  void send(Connection& connection, uint64_t count);
  void send_due();

  std::vector<Flow> flows_;
  // Closed loop: when each message in flight left, `pipeline` places per connection.
  std::vector<uint64_t> sent_at_;
  uint64_t awaiting_ = 0;
  // Open loop: the next message is number `round_` of connection `turn_`.
  uint64_t round_ = 0;
  uint64_t turn_ = 0;
  std::vector<Connection*> touched_;
};

}  // namespace loadgen
