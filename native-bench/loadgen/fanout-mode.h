#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "worker.h"

namespace loadgen {

// What the workers of a fan-out know of each other. Publishes are numbered from 0 and never again from 0.
class FanoutBoard {
 public:
  explicit FanoutBoard(const Options& options);

  // Written by the publishers' worker. When publish n left, or was due, stands at n modulo the size, a power of two; it is written
  // before the frame is, so that whoever received the frame reads it.
  std::atomic<uint64_t>& published_at(uint64_t number) { return times_[number & (times_.size() - 1)]; }
  size_t places() const { return times_.size(); }
  std::atomic<uint64_t> published{0};
  // Publishes below this one are settled: their deliveries, if any still come, are not looked for.
  std::atomic<uint64_t> base{0};

  // All subscribers of one worker have every publish below this number.
  struct alignas(64) Completed {
    std::atomic<uint64_t> below{0};
  };
  std::vector<Completed> completed;
  uint64_t completed_below() const;
  // Set where deliveries were given up: from then on a message cannot be told to belong to a publish.
  std::atomic<bool> lost_track{false};
  Worker* publisher = nullptr;

 private:
  std::vector<std::atomic<uint64_t>> times_;
};

// Modes fanout and latency. Worker 0 has the publishers; every worker has its share of the subscribers. The n-th message
// of a subscriber answers the n-th publish.
class FanoutWorker final : public Worker {
 public:
  FanoutWorker(Shared& shared, uint32_t number, FanoutBoard& board);

  // In the counted time.
  uint64_t publishes() const { return counters_.sent; }

 protected:
  void on_phase(Phase phase) override;
  void on_message(Connection& connection) override;
  void on_batch_end() override;
  uint64_t awaiting_answers() const override;
  uint64_t next_due_ns() const override;

 private:
  struct Subscription {
    // The publish that the next message answers.
    uint64_t next = 0;
    // Messages since the counted time began.
    uint64_t counted = 0;
  };
  // How many subscribers of this worker have not got publish `number`.
  struct Missing {
    uint64_t number = UINT64_MAX;
    uint32_t subscribers = 0;
  };

  bool open_loop() const { return options_.rate > 0; }
  void delivered(uint64_t number);
  void report_completed();
  void publish(uint64_t when);
  void publish_more();
  void publish_due();
  void flush_publishers();
  void give_up();
  uint64_t due_ns() const;

  FanoutBoard& board_;
  std::vector<Subscription> subscriptions_;
  std::vector<Connection*> publishers_;
  std::vector<Missing> missing_;
  uint32_t subscribers_ = 0;
  uint64_t completed_ = 0;
  bool completed_more_ = false;
  // Of the publishers' worker.
  uint64_t first_counted_ = 0;
  uint64_t phase_first_ = 0;
  uint64_t turn_ = 0;
  uint64_t last_progress_ns_ = 0;
  uint64_t progress_seen_ = 0;
};

}  // namespace loadgen
