#include "options.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <random>

namespace loadgen {

namespace {

constexpr uint64_t kMaxInFlight = 16'000'000;

uint64_t number(const std::string& name, const std::string& text, uint64_t least, uint64_t most) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw OptionError(name + ": a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                      " is needed, not \"" + text + "\"");
  }
  return value;
}

double rate_of(const std::string& name, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < 0 || value > 1e8) {
    throw OptionError(name + ": a number of messages per second is needed, not \"" + text + "\"");
  }
  return value;
}

Opcode opcode_of(const std::string& name, const std::string& text) {
  if (text == "text") return kText;
  if (text == "binary") return kBinary;
  throw OptionError(name + ": text or binary, not \"" + text + "\"");
}

Mode mode_of(const std::string& text) {
  for (const Mode mode : {Mode::echo, Mode::fanout, Mode::connect, Mode::idle, Mode::latency}) {
    if (text == mode_name(mode)) return mode;
  }
  throw OptionError("--mode: echo, fanout, connect, idle or latency, not \"" + text + "\"");
}

std::string contents(const std::string& name, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw OptionError(name + ": cannot read " + path + ": " + std::strerror(errno));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// What goes into a request line or a header must not end it.
std::string header_safe(const std::string& name, const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') throw OptionError(name + ": no blanks or control characters");
  }
  return text;
}

// Collects what can only be put together when all arguments are known.
class Parser {
 public:
  Parser() { describe(); }

  Options parse(int count, char** arguments) {
    for (int i = 1; i < count; i++) {
      const std::string name = arguments[i];
      const auto found = takers_.find(name);
      if (found == takers_.end()) throw OptionError("unknown option \"" + name + "\"; --help lists them");
      if (i + 1 == count) throw OptionError(name + ": a value is missing");
      found->second(name, arguments[++i]);
    }
    finish();
    return std::move(options_);
  }

 private:
  using Taker = std::function<void(const std::string& name, const std::string& value)>;

  template <class Target>
  void whole(const char* name, Target& target, uint64_t least, uint64_t most) {
    takers_[name] = [&target, least, most](const std::string& n, const std::string& v) {
      target = static_cast<Target>(number(n, v, least, most));
    };
  }

  void describe() {
    takers_["--host"] = [this](auto& n, auto& v) { options_.host = header_safe(n, v); };
    takers_["--path"] = [this](auto& n, auto& v) { options_.path = header_safe(n, v); };
    takers_["--mode"] = [this](auto&, auto& v) { options_.mode = mode_of(v); };
    takers_["--rate"] = [this](auto& n, auto& v) { options_.rate = rate_of(n, v); };
    takers_["--opcode"] = [this](auto& n, auto& v) { options_.opcode = opcode_of(n, v); };
    takers_["--subprotocol"] = [this](auto& n, auto& v) { subprotocols_.push_back(header_safe(n, v)); };
    takers_["--publisher-subprotocol"] = [this](auto& n, auto& v) { options_.publisher.subprotocol = header_safe(n, v); };
    takers_["--message-file"] = [this](auto& n, auto& v) { message_ = contents(n, v); };
    takers_["--setup-file"] = [this](auto& n, auto& v) { add_step(setup_, contents(n, v)); };
    takers_["--publisher-setup-file"] = [this](auto& n, auto& v) { add_step(options_.publisher.setup, contents(n, v)); };
    takers_["--setup-replies"] = [this](auto& n, auto& v) {
      if (last_steps_ == nullptr) throw OptionError(n + ": stands after the setup file that it belongs to");
      last_steps_->back().replies = static_cast<uint32_t>(number(n, v, 0, 1'000'000));
    };
    takers_["--keepalive"] = [this](auto& n, auto& v) {
      if (v != "engineio") throw OptionError(n + ": engineio is the only one, not \"" + v + "\"");
      options_.keepalive_engineio = true;
    };
    takers_["--group-setup-file"] = [this](auto& n, auto& v) {
      const auto [group, file] = of_group(n, v);
      add_step(group_setup_[group], contents(n, file));
    };
    takers_["--group-expect-bytes"] = [this](auto& n, auto& v) {
      const auto [group, size] = of_group(n, v);
      group_expect_[group] = number(n, size, 0, UINT64_MAX);
    };
    takers_["--group-opcode"] = [this](auto& n, auto& v) {
      const auto [group, opcode] = of_group(n, v);
      group_opcode_[group] = opcode_of(n, opcode);
    };
    whole("--port", options_.port, 1, 65535);
    whole("--connections", options_.connections, 1, 1'000'000);
    whole("--threads", options_.threads, 1, 256);
    whole("--warmup-ms", options_.warmup_ms, 0, 3'600'000);
    whole("--duration-ms", options_.duration_ms, 1, 3'600'000);
    whole("--grace-ms", options_.grace_ms, 1, 2000);
    whole("--pipeline", options_.pipeline, 1, 65536);
    whole("--await-first", options_.await_first, 0, 1'000'000);
    whole("--expect-bytes", expect_, 0, UINT64_MAX);
    whole("--subscriber-groups", groups_, 1, 64);
    whole("--publishers", options_.publishers, 1, 10'000);
    whole("--server-pid", options_.server_pid, 1, INT32_MAX);
    takers_["--seed"] = [this](auto& n, auto& v) {
      options_.seed = number(n, v, 0, UINT64_MAX);
      seeded_ = true;
    };
  }

  void add_step(std::vector<SetupStep>& steps, std::string payload) {
    steps.push_back({std::move(payload), 0});
    last_steps_ = &steps;
  }

  static std::pair<uint64_t, std::string> of_group(const std::string& name, const std::string& value) {
    const size_t colon = value.find(':');
    if (colon == std::string::npos) throw OptionError(name + ": <group>:<value> is needed, not \"" + value + "\"");
    return {number(name, value.substr(0, colon), 0, 63), value.substr(colon + 1)};
  }

  template <class Value>
  void check_groups(const char* name, const std::map<uint64_t, Value>& values) const {
    if (!values.empty() && values.rbegin()->first >= groups_) {
      throw OptionError(std::string(name) + ": there are only " + std::to_string(groups_) + " groups, counted from 0");
    }
  }

  void finish() {
    if (options_.port == 0) throw OptionError("--port is missing");
    if (options_.path.empty() || options_.path[0] != '/') throw OptionError("--path: begins with /");
    if (subprotocols_.size() > groups_) throw OptionError("--subprotocol: more often than there are groups");
    if (!subprotocols_.empty() && subprotocols_.size() < groups_) throw OptionError("--subprotocol: once for each group");
    if (groups_ > 1 && options_.mode != Mode::fanout) throw OptionError("--subscriber-groups: only in mode fanout");
    check_groups("--group-setup-file", group_setup_);
    check_groups("--group-expect-bytes", group_expect_);
    check_groups("--group-opcode", group_opcode_);
    for (uint64_t g = 0; g < groups_; g++) {
      Group group;
      if (!subprotocols_.empty()) group.subprotocol = subprotocols_[g];
      group.setup = group_setup_.contains(g) ? group_setup_[g] : setup_;
      group.expect_bytes = group_expect_.contains(g) ? group_expect_[g] : expect_;
      group.opcode = group_opcode_.contains(g) ? group_opcode_[g] : options_.opcode;
      options_.groups.push_back(std::move(group));
    }
    options_.publisher.opcode = options_.opcode;
    options_.message = message_.value_or(std::string(64, 'x'));
    if (options_.mode == Mode::latency) {
      // One at a time, unless a rate is given.
      options_.pipeline = 1;
      options_.publishers = 1;
    }
    if (options_.rate > 0 && (options_.mode == Mode::connect || options_.mode == Mode::idle)) {
      throw OptionError("--rate: not in the modes connect and idle");
    }
    if (options_.threads > options_.connections) options_.threads = options_.connections;
    if (options_.mode == Mode::echo && uint64_t{options_.connections} * options_.pipeline > kMaxInFlight) {
      throw OptionError("--pipeline: more than " + std::to_string(kMaxInFlight) + " messages in flight in all");
    }
    if (!seeded_) options_.seed = std::random_device()();
  }

  Options options_;
  std::map<std::string, Taker> takers_;
  std::vector<std::string> subprotocols_;
  std::vector<SetupStep> setup_;
  std::vector<SetupStep>* last_steps_ = nullptr;
  std::map<uint64_t, std::vector<SetupStep>> group_setup_;
  std::map<uint64_t, uint64_t> group_expect_;
  std::map<uint64_t, Opcode> group_opcode_;
  std::optional<std::string> message_;
  uint64_t expect_ = 0;
  uint64_t groups_ = 1;
  bool seeded_ = false;
};

}  // namespace

const char* mode_name(Mode mode) {
  switch (mode) {
    case Mode::echo:
      return "echo";
    case Mode::fanout:
      return "fanout";
    case Mode::connect:
      return "connect";
    case Mode::idle:
      return "idle";
    case Mode::latency:
      return "latency";
  }
  return "";
}

std::optional<Options> parse_options(int count, char** arguments) {
  for (int i = 1; i < count; i++) {
    if (std::strcmp(arguments[i], "--help") == 0) return std::nullopt;
  }
  return Parser().parse(count, arguments);
}

}  // namespace loadgen
