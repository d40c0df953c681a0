#include "worker.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace loadgen {

namespace {

constexpr size_t kBufferBytes = 262144;
constexpr int kEvents = 512;
// A server that pings without reading gets no more pongs than fit here.
constexpr size_t kMaxPongBacklog = 4096;

int checked(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  return result;
}

// Zero would leave the payload as it is, and a server might notice.
uint32_t mask_key_of(std::mt19937_64& random) { return static_cast<uint32_t>(random()) | 0x01010101; }

}  // namespace

Worker::Worker(Shared& shared, uint32_t number)
    : shared_(shared),
      options_(shared.options),
      number_(number),
      random_(shared.options.seed + number),
      mask_key_(mask_key_of(random_)),
      block_(client_frame(options_.opcode, options_.message, mask_key_), options_.rate > 0 ? 4096 : options_.pipeline),
      pong_(client_frame(kText, "3", mask_key_)),
      buffer_(kBufferBytes) {
  epoll_ = checked(epoll_create1(EPOLL_CLOEXEC), "epoll");
  wake_ = checked(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
  timer_ = checked(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &wake_;
  checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event), "epoll");
  event.data.ptr = &timer_;
  checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event), "epoll");
}

Worker::~Worker() {
  const std::string normal = client_frame(kClose, "\x03\xe8", mask_key_);
  for (auto& connection : connections_) {
    if (!connection->open()) continue;
    // A server sees a client that leaves, not one that breaks off; not in the middle of a frame.
    if (connection->state == Connection::State::ready && connection->outbox.empty()) {
      [[maybe_unused]] const ssize_t sent = send(connection->fd, normal.data(), normal.size(), MSG_NOSIGNAL);
    }
    ::close(connection->fd);
  }
  ::close(timer_);
  ::close(wake_);
  ::close(epoll_);
}

void Worker::add_connection(const Group& group, bool publisher) {
  auto connection = std::make_unique<Connection>();
  connection->group = &group;
  connection->publisher = publisher;
  connection->index = static_cast<uint32_t>(connections_.size());
  connections_.push_back(std::move(connection));
}

void Worker::wake() const {
  const uint64_t one = 1;
  // It can fail only where a wake-up is pending anyway.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

void Worker::run() {
  epoll_event events[kEvents];
  open_more();
  while (true) {
    const int count = epoll_wait(epoll_, events, kEvents, 100);
    now_ = now_ns();
    // Before the events: a message that was sent in the new phase may be among them.
    enter_phase();
    if (phase_ == Phase::stop) return;
    for (int i = 0; i < count; i++) {
      void* const source = events[i].data.ptr;
      if (source == &wake_ || source == &timer_) {
        uint64_t ignored = 0;
        [[maybe_unused]] const ssize_t taken = read(source == &wake_ ? wake_ : timer_, &ignored, sizeof ignored);
        if (source == &timer_) armed_ns_ = UINT64_MAX;
      } else {
        handle(*static_cast<Connection*>(source), events[i].events);
      }
    }
    open_more();
    on_batch_end();
    arm_timer();
    outstanding_now_.store(awaiting_answers(), std::memory_order_release);
    // Last: whoever sees the phase sees what is outstanding in it.
    seen_phase_.store(phase_, std::memory_order_release);
  }
}

void Worker::enter_phase() {
  const Phase phase = shared_.phase.load(std::memory_order_acquire);
  if (phase == phase_) return;
  phase_ = phase;
  if (phase == Phase::count) {
    counters_ = {};
    latency_.clear();
  }
  on_phase(phase);
}

// A timer descriptor, because the timeout of epoll_wait has whole milliseconds.
void Worker::arm_timer() {
  const uint64_t due = next_due_ns();
  if (due == armed_ns_) return;
  armed_ns_ = due;
  itimerspec when{};
  if (due != UINT64_MAX) {
    when.it_value.tv_sec = static_cast<time_t>(due / kSecond);
    when.it_value.tv_nsec = static_cast<long>(due % kSecond);
  }
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

void Worker::handle(Connection& connection, uint32_t events) {
  if (!connection.open()) return;
  if (connection.state == Connection::State::connecting) {
    connected(connection);
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0) readable(connection);
  if (connection.open() && (events & EPOLLOUT) != 0) flush(connection);
}

void Worker::readable(Connection& connection) {
  const ssize_t size = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    lose(connection, std::strerror(errno));
    return;
  }
  if (size == 0) {
    lose(connection, "the server ended the connection");
    return;
  }
  now_ = now_ns();
  counters_.bytes_in += static_cast<uint64_t>(size);
  const char* data = buffer_.data();
  size_t left = static_cast<size_t>(size);
  if (connection.state == Connection::State::handshaking) {
    const size_t taken = read_handshake(connection, data, left);
    data += taken;
    left -= taken;
    if (!connection.open() || connection.state == Connection::State::handshaking) return;
  }
  const char* fault = connection.reader.feed(data, left, Sink{*this, connection});
  if (fault != nullptr && connection.open()) {
    shared_.errors.protocol++;
    shared_.note(std::string("the server broke the protocol: ") + fault);
    close_connection(connection, Connection::State::dead);
    on_lost(connection, nullptr);
  }
  if (!connection.open()) return;
  if (connection.state == Connection::State::ready) on_read_end(connection);
  if (connection.open() && !connection.outbox.empty()) flush(connection);
}

void Worker::take_message(Connection& connection, uint64_t bytes, Opcode opcode, char first) {
  if (options_.keepalive_engineio && bytes == 1 && first == '2' && opcode == kText) {
    if (connection.outbox.own_bytes() < kMaxPongBacklog) connection.outbox.add_bytes(pong_);
    return;
  }
  if (connection.state == Connection::State::setup) {
    if (connection.awaited > 0 && --connection.awaited == 0) continue_setup(connection);
    return;
  }
  if (connection.state != Connection::State::ready) return;
  const uint64_t expected = connection.group->expect_bytes;
  if (connection.publisher || (expected != 0 && bytes != expected)) {
    counters_.unexpected++;
    return;
  }
  on_message(connection);
}

bool Worker::take_control(Connection& connection, Opcode opcode, std::string_view payload) {
  if (opcode == kPing) {
    if (connection.outbox.own_bytes() < kMaxPongBacklog) {
      connection.outbox.add_bytes(client_frame(kPong, payload, mask_key_));
    }
    return true;
  }
  if (opcode == kPong) {
    if (connection.barrier && connection.state == Connection::State::setup) {
      connection.barrier = false;
      continue_setup(connection);
    }
    return true;
  }
  if (connection.state == Connection::State::closing) {
    // The answer to our own close frame; the server ends the TCP connection next.
    return false;
  }
  const std::string answer = client_frame(kClose, payload.substr(0, 2), mask_key_);
  [[maybe_unused]] const ssize_t sent = send(connection.fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  std::string fault = "the server sent a close frame";
  if (payload.size() >= 2) {
    const auto* code = reinterpret_cast<const uint8_t*>(payload.data());
    fault += " with code " + std::to_string(code[0] * 256 + code[1]);
  }
  lose(connection, fault.c_str());
  return false;
}

void Worker::flush(Connection& connection) {
  switch (connection.outbox.flush(connection.fd, block_, counters_.bytes_out)) {
    case Flushed::all:
      watch_write(connection, false);
      return;
    case Flushed::blocked:
      watch_write(connection, true);
      return;
    case Flushed::broken:
      lose(connection, std::strerror(errno));
      return;
  }
}

void Worker::watch_write(Connection& connection, bool wanted) {
  if (connection.wants_write == wanted) return;
  connection.wants_write = wanted;
  epoll_event event{};
  event.events = EPOLLIN | (wanted ? EPOLLOUT : 0u);
  event.data.ptr = &connection;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

}  // namespace loadgen
