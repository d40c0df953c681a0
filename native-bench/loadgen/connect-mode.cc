#include "connect-mode.h"

#include <sys/socket.h>

#include <cstdint>

#include "frame.h"

namespace loadgen {

namespace {

// A server that has our close frame and still keeps the TCP connection loses it after this long.
constexpr uint64_t kCloseWaitNs = kSecond;

}  // namespace

void ConnectWorker::on_phase(Phase phase) {
  if (phase == Phase::open || !sending() || open_ + vacant_.size() > 0) return;
  for (auto& connection : connections_) vacant_.push_back(connection.get());
}

void ConnectWorker::on_established(Connection& connection) {
  succeeded_ = true;
  counters_.received++;
  counters_.last_received_ns = now_;
  latency_.record(now_ - connection.opened_ns);
  connection.state = Connection::State::closing;
  connection.opened_ns = now_;
  connection.outbox.add_bytes(client_frame(kClose, "\x03\xe8", 0x5a5a5a5a));
}

void ConnectWorker::on_batch_end() {
  if (now_ >= next_sweep_ns_) {
    next_sweep_ns_ = now_ + 100 * kMillisecond;
    for (auto& connection : connections_) {
      if (connection->state != Connection::State::closing || now_ - connection->opened_ns < kCloseWaitNs) continue;
      const linger reset{1, 0};
      setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      close_connection(*connection, Connection::State::dead);
      vacate(*connection);
    }
  }
  if (!sending()) return;
  // Of a copy: an attempt that fails at once is vacant again, and waits for the next turn.
  opened_now_.swap(vacant_);
  for (Connection* connection : opened_now_) {
    open_++;
    counters_.sent++;
    open_connection(*connection);
  }
  opened_now_.clear();
}

void ConnectWorker::vacate(Connection& connection) {
  open_--;
  vacant_.push_back(&connection);
}

void ConnectWorker::on_lost(Connection& connection, const char*) {
  // Either side's end of a connection that was up is what this mode is about.
  vacate(connection);
}

void ConnectWorker::on_refused(Connection& connection, const std::string& reason) {
  (connection.state == Connection::State::connecting ? shared_.errors.connect : shared_.errors.handshake)++;
  opening_--;
  close_connection(connection, Connection::State::dead);
  shared_.note(reason);
  // Not one came up: it will not get better.
  if (!succeeded_) shared_.fail(reason);
  vacate(connection);
}

}  // namespace loadgen
