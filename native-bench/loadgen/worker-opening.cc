// How a worker's connections come up and go: TCP, handshake, setup, close.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "worker.h"

namespace loadgen {

// A few at a time, so that the server's backlog of connections is never the limit.
void Worker::open_more() {
  while (phase_ == Phase::open && next_to_open_ < connections_.size() && opening_ < most_opening() &&
         !shared_.failed.load(std::memory_order_relaxed)) {
    open_connection(*connections_[next_to_open_++]);
  }
}

void Worker::open_connection(Connection& connection) {
  connection.opened_ns = now_ns();
  connection.reader = {};
  connection.outbox.clear();
  connection.wants_write = true;
  connection.setup_at = 0;
  connection.awaited = 0;
  connection.state = Connection::State::connecting;
  opening_++;
  connection.fd = socket(shared_.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection.fd < 0) {
    on_refused(connection, std::string("cannot open a socket: ") + std::strerror(errno));
    return;
  }
  const int on = 1;
  setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.ptr = &connection;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&shared_.address), shared_.address_bytes) < 0 &&
      errno != EINPROGRESS) {
    on_refused(connection, std::string("cannot connect: ") + std::strerror(errno));
  }
}

void Worker::connected(Connection& connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    on_refused(connection, std::string("cannot connect: ") + std::strerror(error));
    return;
  }
  connection.state = Connection::State::handshaking;
  connection.handshake = std::make_unique<Handshake>(shared_.authority, options_.path, connection.group->subprotocol,
                                                     random_(), random_());
  connection.outbox.add_bytes(connection.handshake->request());
  flush(connection);
}

size_t Worker::read_handshake(Connection& connection, const char* data, size_t size) {
  size_t taken = 0;
  switch (connection.handshake->feed(std::string_view(data, size), taken)) {
    case Handshake::State::reading:
      break;
    case Handshake::State::refused:
      on_refused(connection, "the handshake was refused: " + connection.handshake->reason());
      break;
    case Handshake::State::accepted:
      connection.handshake.reset();
      opening_--;
      on_established(connection);
      break;
  }
  return taken;
}

void Worker::begin_setup(Connection& connection) {
  connection.state = Connection::State::setup;
  connection.awaited = options_.await_first;
  // Only a subscription must be in force elsewhere before the first message goes.
  connection.barrier = options_.has_publisher() && !connection.group->setup.empty();
  continue_setup(connection);
}

void Worker::continue_setup(Connection& connection) {
  const auto& steps = connection.group->setup;
  while (connection.awaited == 0 && connection.setup_at < steps.size()) {
    const SetupStep& step = steps[connection.setup_at++];
    connection.outbox.add_bytes(client_frame(connection.group->opcode, step.payload, mask_key_));
    connection.awaited = step.replies;
    if (connection.setup_at == steps.size() && connection.barrier && step.replies == 0) {
      connection.outbox.add_bytes(client_frame(kPing, "ready?", mask_key_));
    }
  }
  if (connection.awaited > 0) return;
  if (connection.barrier && steps.back().replies == 0) return;
  connection.state = Connection::State::ready;
  shared_.alive++;
  shared_.ready++;
}

void Worker::close_connection(Connection& connection, Connection::State state) {
  if (connection.fd >= 0) ::close(connection.fd);
  connection.fd = -1;
  if (connection.state == Connection::State::ready) shared_.alive--;
  connection.state = state;
}

void Worker::lose(Connection& connection, const char* fault) {
  if (!connection.open()) return;
  if (connection.state == Connection::State::handshaking) {
    on_refused(connection, std::string("no answer to the handshake: ") + fault);
    return;
  }
  close_connection(connection, Connection::State::dead);
  on_lost(connection, fault);
}

void Worker::on_refused(Connection& connection, const std::string& reason) {
  (connection.state == Connection::State::connecting ? shared_.errors.connect : shared_.errors.handshake)++;
  opening_--;
  close_connection(connection, Connection::State::dead);
  shared_.fail(reason);
}

void Worker::on_lost(Connection&, const char* fault) {
  if (fault != nullptr) {
    shared_.errors.closed++;
    shared_.note(std::string("a connection was lost: ") + fault);
  }
  // The setup can never be finished.
  if (phase_ == Phase::open) shared_.fail("a connection was lost during its setup");
}

}  // namespace loadgen
