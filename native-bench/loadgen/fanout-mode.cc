#include "fanout-mode.h"

#include <algorithm>
#include <bit>

namespace loadgen {

namespace {

constexpr uint64_t kOpenLoopInFlight = 65536;

}  // namespace

FanoutBoard::FanoutBoard(const Options& options)
    : completed(options.threads),
      times_(options.rate > 0 ? kOpenLoopInFlight : std::bit_ceil(uint64_t{options.pipeline} + 1)) {}

uint64_t FanoutBoard::completed_below() const {
  uint64_t least = UINT64_MAX;
  for (const Completed& worker : completed) least = std::min(least, worker.below.load());
  return std::max(least, base.load());
}

FanoutWorker::FanoutWorker(Shared& shared, uint32_t number, FanoutBoard& board)
    : Worker(shared, number), board_(board), missing_(board.places()) {
  if (number == 0) board.publisher = this;
}

void FanoutWorker::on_phase(Phase phase) {
  if (phase == Phase::finish && number_ == 0 && open_loop()) publish_due();
  if (!sending()) return;
  if (subscriptions_.empty()) {
    subscriptions_.resize(connections_.size());
    for (auto& connection : connections_) {
      if (connection->publisher) publishers_.push_back(connection.get());
      else subscribers_++;
    }
  }
  for (Subscription& subscription : subscriptions_) subscription.counted = 0;
  first_counted_ = board_.base.load();
  if (number_ != 0) return;
  phase_first_ = board_.published.load();
  last_progress_ns_ = now_;
  if (!open_loop()) publish_more();
}

void FanoutWorker::on_message(Connection& connection) {
  if (subscriptions_.empty()) return;
  Subscription& subscription = subscriptions_[connection.index];
  const uint64_t published = board_.published.load(std::memory_order_acquire);
  if (subscription.counted == published - first_counted_) {
    // More messages than publishes.
    counters_.unexpected++;
    return;
  }
  subscription.counted++;
  counters_.received++;
  counters_.last_received_ns = now_;
  const uint64_t number = std::max(subscription.next, board_.base.load(std::memory_order_relaxed));
  if (number >= published) return;
  subscription.next = number + 1;
  const uint64_t from = board_.published_at(number).load(std::memory_order_relaxed);
  latency_.record(now_ > from ? now_ - from : 0);
  delivered(number);
}

void FanoutWorker::delivered(uint64_t number) {
  Missing& missing = missing_[number & (missing_.size() - 1)];
  if (missing.number != number) missing = {number, subscribers_};
  if (--missing.subscribers > 0) return;
  // In order: whoever has this one has all before it.
  completed_ = number + 1;
  completed_more_ = true;
}

void FanoutWorker::on_batch_end() {
  if (completed_more_) report_completed();
  if (number_ != 0 || !sending()) return;
  if (open_loop()) {
    publish_due();
  } else {
    publish_more();
  }
  give_up();
}

void FanoutWorker::report_completed() {
  completed_more_ = false;
  const uint64_t before = board_.completed_below();
  board_.completed[number_].below.store(completed_);
  // The last one of the workers to get this far wakes the publisher. Sequentially consistent stores and loads: of two
  // that finish at once, at least one sees the other.
  if (number_ != 0 && board_.completed_below() > before) board_.publisher->wake();
}

uint64_t FanoutWorker::awaiting_answers() const {
  return number_ == 0 ? board_.published.load() - board_.completed_below() : 0;
}

void FanoutWorker::publish(uint64_t when) {
  const uint64_t number = board_.published.load(std::memory_order_relaxed);
  Connection& publisher = *publishers_[turn_];
  if (++turn_ == publishers_.size()) turn_ = 0;
  board_.published_at(number).store(when, std::memory_order_relaxed);
  board_.published.store(number + 1, std::memory_order_release);
  counters_.sent++;
  publisher.outbox.add_messages(1);
}

void FanoutWorker::publish_more() {
  const uint64_t in_flight = board_.published.load() - board_.completed_below();
  if (in_flight >= options_.pipeline) return;
  now_ = now_ns();
  for (uint64_t i = in_flight; i < options_.pipeline; i++) publish(now_);
  flush_publishers();
}

uint64_t FanoutWorker::due_ns() const {
  const double place = static_cast<double>(board_.published.load(std::memory_order_relaxed) - phase_first_);
  return shared_.begin_ns + static_cast<uint64_t>(place * static_cast<double>(kSecond) / options_.rate);
}

uint64_t FanoutWorker::next_due_ns() const {
  if (number_ != 0 || !open_loop() || !sending()) return UINT64_MAX;
  // With every place taken, the next delivery wakes us, not the clock.
  if (board_.published.load() - board_.completed_below() >= board_.places()) return UINT64_MAX;
  const uint64_t due = due_ns();
  return due < shared_.end_ns ? due : UINT64_MAX;
}

void FanoutWorker::publish_due() {
  if (publishers_.empty()) return;
  const uint64_t until = std::min(now_ns(), shared_.end_ns - 1);
  uint64_t room = board_.places() - std::min<uint64_t>(board_.places(), board_.published.load() - board_.completed_below());
  while (room-- > 0) {
    const uint64_t due = due_ns();
    if (due > until) break;
    publish(due);
  }
  flush_publishers();
}

void FanoutWorker::flush_publishers() {
  for (Connection* publisher : publishers_) {
    if (publisher->open() && !publisher->outbox.empty()) flush(*publisher);
  }
}

// A lost delivery would stop a closed loop for ever. When nothing completed for as long as answers are waited for, start afresh: all subscribers are
// taken to be level again.
void FanoutWorker::give_up() {
  const uint64_t completed = board_.completed_below();
  const uint64_t published = board_.published.load();
  if (completed != progress_seen_ || completed == published) {
    progress_seen_ = completed;
    last_progress_ns_ = now_;
    return;
  }
  if (now_ - last_progress_ns_ < options_.grace_ms * kMillisecond) return;
  board_.lost_track.store(true);
  board_.base.store(published);
  last_progress_ns_ = now_;
}

}  // namespace loadgen
