#pragma once

#include "worker.h"

namespace loadgen {

// Connections that stay and say nothing. Pings are answered, messages are not expected.
class IdleWorker final : public Worker {
 public:
  using Worker::Worker;

 protected:
  void on_message(Connection&) override { counters_.unexpected++; }
};

}  // namespace loadgen
