#include "echo-mode.h"

#include <algorithm>

namespace loadgen {

void EchoWorker::on_phase(Phase phase) {
  if (phase == Phase::finish && open_loop()) send_due();
  if (!sending()) return;
  flows_.assign(connections_.size(), {});
  awaiting_ = 0;
  round_ = 0;
  turn_ = 0;
  if (open_loop()) return;
  sent_at_.resize(connections_.size() * options_.pipeline);
  for (auto& connection : connections_) {
    if (connection->state != Connection::State::ready) continue;
    now_ = now_ns();
    send(*connection, options_.pipeline);
    flush(*connection);
  }
}

void EchoWorker::send(Connection& connection, uint64_t count) {
  Flow& flow = flows_[connection.index];
  if (!open_loop()) {
    uint64_t* const places = &sent_at_[size_t{connection.index} * options_.pipeline];
    for (uint64_t i = 0; i < count; i++) places[(flow.sent + i) % options_.pipeline] = now_;
  }
  flow.sent += count;
  awaiting_ += count;
  counters_.sent += count;
  connection.outbox.add_messages(count);
}

void EchoWorker::on_message(Connection& connection) {
  if (flows_.empty()) return;
  Flow& flow = flows_[connection.index];
  if (flow.answered == flow.sent) {
    // Nothing was asked: an answer too many.
    counters_.unexpected++;
    return;
  }
  const uint64_t from = open_loop()
                            ? due_ns(flow.answered, connection.index)
                            : sent_at_[size_t{connection.index} * options_.pipeline + flow.answered % options_.pipeline];
  latency_.record(now_ > from ? now_ - from : 0);
  flow.answered++;
  awaiting_--;
  counters_.received++;
  counters_.last_received_ns = now_;
}

void EchoWorker::on_read_end(Connection& connection) {
  if (open_loop() || !sending()) return;
  const Flow& flow = flows_[connection.index];
  const uint64_t room = options_.pipeline - (flow.sent - flow.answered);
  if (room > 0) send(connection, room);
}

void EchoWorker::on_lost(Connection& connection, const char* fault) {
  Worker::on_lost(connection, fault);
  if (flows_.empty()) return;
  Flow& flow = flows_[connection.index];
  awaiting_ -= flow.sent - flow.answered;
  flow.answered = flow.sent;
}

// Connection `index` of this worker is number `index * threads + number` of all, and its turn comes once per round.
uint64_t EchoWorker::due_ns(uint64_t round, uint64_t index) const {
  const double place = static_cast<double>(round * options_.connections + index * options_.threads + number_);
  return shared_.begin_ns + static_cast<uint64_t>(place * static_cast<double>(kSecond) / options_.rate);
}

uint64_t EchoWorker::next_due_ns() const {
  if (!open_loop() || !sending()) return UINT64_MAX;
  const uint64_t due = due_ns(round_, turn_);
  return due < shared_.end_ns ? due : UINT64_MAX;
}

void EchoWorker::on_batch_end() {
  if (open_loop() && sending()) send_due();
}

void EchoWorker::send_due() {
  if (flows_.empty()) return;
  // Phase `finish` may come late: all that was due before the end still goes.
  const uint64_t until = std::min(now_ns(), shared_.end_ns - 1);
  while (due_ns(round_, turn_) <= until) {
    Connection& connection = *connections_[turn_];
    if (connection.state == Connection::State::ready) {
      if (connection.outbox.empty()) touched_.push_back(&connection);
      send(connection, 1);
    }
    if (++turn_ == connections_.size()) {
      turn_ = 0;
      round_++;
    }
  }
  for (Connection* connection : touched_) {
    if (connection->open()) flush(*connection);
  }
  touched_.clear();
}

}  // namespace loadgen
