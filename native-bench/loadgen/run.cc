#include "run.h"

#include <netdb.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "clock.h"
#include "connect-mode.h"
#include "echo-mode.h"
#include "fanout-mode.h"
#include "idle-mode.h"
#include "report.h"
#include "shared.h"

namespace loadgen {

namespace {

// How long all connections may take to come up: a busy server with much to do per connection takes more than half a
// millisecond for each.
uint64_t open_limit_ns(const Options& options) { return 6 * kSecond + uint64_t{options.connections} * kMillisecond; }

void sleep_until(uint64_t when) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(when / kSecond);
  time.tv_nsec = static_cast<long>(when % kSecond);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

// 10,000 connections need 10,000 descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The last resort: whatever hangs, the process ends.
void start_watchdog(const Options& options) {
  struct sigaction action{};
  action.sa_handler = [](int) {
    static const char line[] = "loadgen: the watchdog ended a run that did not end by itself\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    _exit(1);
  };
  sigaction(SIGALRM, &action, nullptr);
  alarm(static_cast<unsigned>((options.warmup_ms + options.duration_ms + 999) / 1000 + 4 + open_limit_ns(options) / kSecond));
}

bool resolve(const Options& options, Shared& shared) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (error != 0) {
    shared.fail("cannot resolve " + options.host + ": " + gai_strerror(error));
    return false;
  }
  shared.address_bytes = found->ai_addrlen;
  std::copy_n(reinterpret_cast<const char*>(found->ai_addr), found->ai_addrlen, reinterpret_cast<char*>(&shared.address));
  freeaddrinfo(found);
  const bool bare_ipv6 = options.host.find(':') != std::string::npos;
  shared.authority = (bare_ipv6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
  return true;
}

// The coordinator of one run: starts the workers, moves them through the phases, looks at the clocks.
class Run {
 public:
  explicit Run(const Options& options) : options_(options), shared_(options), board_(options) {}

  int measure() {
    if (!resolve(options_, shared_)) return refuse();
    if (options_.server_pid > 0 && !read_use(options_.server_pid)) {
      fail_process();
      return refuse();
    }
    // What idle connections cost is seen only from before there were any.
    if (options_.mode == Mode::idle) sample_memory(outcome_.memory_before);
    start_workers();
    if (wait_for_connections()) {
      warm_up();
      if (!shared_.failed.load()) count();
    }
    stop();
    if (shared_.failed.load()) return refuse();
    collect();
    std::printf("%s\n", report(options_, shared_.errors, outcome_).c_str());
    std::fflush(stdout);
    // The numbers are there to be looked at; a measurement they are not.
    if (options_.mode != Mode::connect && (shared_.errors.closed > 0 || shared_.errors.protocol > 0)) return refuse();
    if (options_.mode != Mode::idle && outcome_.totals.received == 0) {
      shared_.note("no answer came, and " + std::to_string(outcome_.totals.unexpected) + " other messages");
      return refuse();
    }
    return 0;
  }

 private:
  int refuse() {
    std::fprintf(stderr, "loadgen: %s\n", shared_.line().c_str());
    return 1;
  }

  void fail_process() {
    shared_.fail("process " + std::to_string(options_.server_pid) + " cannot be looked at in /proc, or is gone");
  }

  std::unique_ptr<Worker> make_worker(uint32_t number) {
    switch (options_.mode) {
      case Mode::echo:
        return std::make_unique<EchoWorker>(shared_, number);
      case Mode::fanout:
      case Mode::latency:
        return std::make_unique<FanoutWorker>(shared_, number, board_);
      case Mode::connect:
        return std::make_unique<ConnectWorker>(shared_, number);
      case Mode::idle:
        return std::make_unique<IdleWorker>(shared_, number);
    }
    return nullptr;
  }

  void start_workers() {
    for (uint32_t i = 0; i < options_.threads; i++) workers_.push_back(make_worker(i));
    for (uint32_t i = 0; i < options_.connections; i++) {
      workers_[i % options_.threads]->add_connection(options_.groups[i % options_.groups.size()], false);
    }
    if (options_.has_publisher()) {
      for (uint32_t i = 0; i < options_.publishers; i++) workers_[0]->add_connection(options_.publisher, true);
    }
    for (auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
  }

  bool wait_for_connections() {
    if (options_.mode == Mode::connect) return true;
    const uint64_t wanted = options_.connections + (options_.has_publisher() ? options_.publishers : 0);
    const uint64_t deadline = now_ns() + open_limit_ns(options_);
    while (shared_.ready.load() < wanted) {
      if (shared_.failed.load()) return false;
      if (now_ns() > deadline) {
        shared_.fail("only " + std::to_string(shared_.ready.load()) + " of " + std::to_string(wanted) +
                     " connections were ready (handshake, setup and its replies) in time");
        return false;
      }
      sleep_until(now_ns() + kMillisecond);
    }
    return true;
  }

  void enter(Phase phase) {
    shared_.phase.store(phase, std::memory_order_release);
    for (auto& worker : workers_) worker->wake();
  }

  // In a phase that sends, until its end; less if there is nothing left to measure.
  void wait_for_end() {
    while (now_ns() < shared_.end_ns && !shared_.failed.load()) {
      if (options_.mode != Mode::connect && shared_.alive.load() == 0) return;
      sleep_until(std::min(now_ns() + 20 * kMillisecond, shared_.end_ns));
    }
  }

  // In a phase that does not send, until every answer is in.
  void wait_for_quiet(Phase phase) {
    const uint64_t deadline = now_ns() + options_.grace_ms * kMillisecond;
    while (now_ns() < deadline && !shared_.failed.load()) {
      const bool quiet = std::all_of(workers_.begin(), workers_.end(), [phase](const auto& worker) {
        return worker->seen_phase() == phase && worker->outstanding() == 0;
      });
      if (quiet) return;
      sleep_until(now_ns() + kMillisecond / 5);
    }
  }

  void warm_up() {
    if (options_.warmup_ms == 0) return;
    shared_.begin_ns = now_ns();
    shared_.end_ns = shared_.begin_ns + options_.warmup_ms * kMillisecond;
    enter(Phase::warmup);
    wait_for_end();
    enter(Phase::settle);
    wait_for_quiet(Phase::settle);
  }

  void count() {
    // What was lost while warming up is not waited for.
    board_.base.store(board_.published.load());
    board_.lost_track.store(false);
    if (options_.mode != Mode::idle) sample_memory(outcome_.memory_before);
    if (options_.server_pid > 0) outcome_.server_before = read_use(options_.server_pid);
    outcome_.machine_before = read_machine();
    const double own_before = process_cpu_s();
    const double client_before = threads_cpu_s();
    shared_.begin_ns = now_ns();
    shared_.end_ns = shared_.begin_ns + options_.duration_ms * kMillisecond;
    enter(Phase::count);
    wait_for_end();
    enter(Phase::finish);
    wait_for_quiet(Phase::finish);
    finished_ns_ = now_ns();
    outcome_.client_cpu_s = threads_cpu_s() - client_before;
    outcome_.own_cpu_s = process_cpu_s() - own_before;
    outcome_.machine_after = read_machine();
    if (options_.server_pid > 0) {
      outcome_.server_after = read_use(options_.server_pid);
      if (!outcome_.server_before || !outcome_.server_after) fail_process();
    }
    sample_memory(outcome_.memory_after);
  }

  void stop() {
    enter(Phase::stop);
    for (auto& thread : threads_) thread.join();
  }

  void collect() {
    Counters& totals = outcome_.totals;
    for (const auto& worker : workers_) {
      const Counters& counters = worker->counters();
      totals.sent += counters.sent;
      totals.received += counters.received;
      totals.unexpected += counters.unexpected;
      totals.bytes_in += counters.bytes_in;
      totals.bytes_out += counters.bytes_out;
      totals.last_received_ns = std::max(totals.last_received_ns, counters.last_received_ns);
      outcome_.latency.add(worker->latency());
    }
    // To the last answer: a tail that came late makes the rate lower, not higher.
    const uint64_t end = std::max(std::min(shared_.end_ns, finished_ns_), totals.last_received_ns);
    outcome_.elapsed_s = static_cast<double>(end - shared_.begin_ns) / 1e9;
    if (options_.has_publisher()) {
      outcome_.latency_known = options_.publishers == 1 && !board_.lost_track.load() &&
                               totals.received == totals.sent * options_.connections;
    }
  }

  void sample_memory(std::optional<ProcessMemory>& into) const {
    if (options_.server_pid > 0) into = read_memory(options_.server_pid);
  }

  static double process_cpu_s() { return static_cast<double>(clock_ns(CLOCK_PROCESS_CPUTIME_ID)) / 1e9; }

  double threads_cpu_s() {
    double sum = 0;
    for (auto& thread : threads_) {
      clockid_t clock = 0;
      if (pthread_getcpuclockid(thread.native_handle(), &clock) == 0) sum += static_cast<double>(clock_ns(clock)) / 1e9;
    }
    return sum;
  }

  const Options& options_;
  Shared shared_;
  FanoutBoard board_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  Outcome outcome_;
  uint64_t finished_ns_ = 0;
};

}  // namespace

int run(const Options& options) {
  raise_descriptor_limit();
  start_watchdog(options);
  return Run(options).measure();
}

}  // namespace loadgen
