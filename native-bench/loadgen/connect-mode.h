#pragma once

#include <string>
#include <vector>

#include "worker.h"

namespace loadgen {

// Opens, shakes hands, closes, begins again: `connections` at a time. A connection's latency runs from the call of
// connect() to the end of the server's 101 answer. Its place is free again when the server has ended the TCP connection.
class ConnectWorker final : public Worker {
 public:
  using Worker::Worker;

 protected:
  void on_phase(Phase phase) override;
  void on_established(Connection& connection) override;
  void on_batch_end() override;
  void on_lost(Connection& connection, const char* fault) override;
  void on_refused(Connection& connection, const std::string& reason) override;
  uint64_t awaiting_answers() const override { return open_; }
  uint32_t most_opening() const override { return 0; }

 private:
  void vacate(Connection& connection);

  std::vector<Connection*> vacant_;
  std::vector<Connection*> opened_now_;
  uint64_t open_ = 0;
  uint64_t next_sweep_ns_ = 0;
  bool succeeded_ = false;
};

}  // namespace loadgen
