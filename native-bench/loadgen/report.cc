#include "report.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace loadgen {

namespace {

// An object being written: members in the order in which they are added.
class JsonObject {
 public:
  JsonObject& text(const char* name, const char* value) { return raw(name, "\"" + std::string(value) + "\""); }
  JsonObject& whole(const char* name, uint64_t value) { return raw(name, std::to_string(value)); }
  JsonObject& real(const char* name, double value, int digits) {
    if (!std::isfinite(value)) return raw(name, "null");
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return raw(name, text);
  }
  JsonObject& raw(const char* name, const std::string& value) {
    text_ += text_.empty() ? "{" : ",";
    text_.append("\"").append(name).append("\":").append(value);
    return *this;
  }
  std::string close() const { return text_ + "}"; }

 private:
  std::string text_;
};

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

std::string latency_json(const Outcome& outcome) {
  const Histogram& latency = outcome.latency;
  if (!outcome.latency_known || latency.count() == 0) return "null";
  const auto us = [](double ns) { return ns / 1000; };
  return JsonObject()
      .whole("count", latency.count())
      .real("mean", us(latency.mean()), 2)
      .real("min", us(static_cast<double>(latency.min())), 2)
      .real("p50", us(latency.quantile(0.5)), 2)
      .real("p90", us(latency.quantile(0.9)), 2)
      .real("p99", us(latency.quantile(0.99)), 2)
      .real("p999", us(latency.quantile(0.999)), 2)
      .real("max", us(static_cast<double>(latency.max())), 2)
      .close();
}

double server_cpu_s(const Outcome& outcome) {
  if (!outcome.server_before || !outcome.server_after) return 0;
  return outcome.server_after->cpu_s - outcome.server_before->cpu_s;
}

std::string server_json(const Outcome& outcome) {
  if (!outcome.server_before || !outcome.server_after) return "null";
  const double cpu_s = server_cpu_s(outcome);
  const uint64_t before = outcome.server_before->voluntary_switches;
  const uint64_t after = outcome.server_after->voluntary_switches;
  JsonObject object;
  object.real("cpu_s", cpu_s, 6);
  // Of nothing, a share is no number.
  object.real("cpu_us_per_message", 1e6 * cpu_s / static_cast<double>(outcome.totals.received), 4);
  // A thread that ended took its switches with it.
  object.whole("voluntary_switches", after > before ? after - before : 0);
  if (outcome.memory_before && outcome.memory_after) {
    object.whole("pss_before_kb", outcome.memory_before->pss_kb);
    object.whole("pss_after_kb", outcome.memory_after->pss_kb);
    object.whole("rss_after_kb", outcome.memory_after->rss_kb);
  } else {
    object.raw("pss_before_kb", "null").raw("pss_after_kb", "null").raw("rss_after_kb", "null");
  }
  return object.close();
}

std::string machine_json(const Outcome& outcome) {
  const MachineUse& before = outcome.machine_before;
  const MachineUse& after = outcome.machine_after;
  const double foreign_s = after.busy_s - before.busy_s - server_cpu_s(outcome) - outcome.own_cpu_s;
  // /proc/stat counts hundredths of a second: a little less than nothing is nothing.
  const double wall_s = (after.total_s - before.total_s) / static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  return JsonObject()
      .real("steal_pct", percent(after.steal_s - before.steal_s, after.total_s - before.total_s), 2)
      .real("foreign_cpu_pct", std::max(0.0, percent(foreign_s, wall_s)), 2)
      .close();
}

}  // namespace

std::string report(const Options& options, const Errors& errors, const Outcome& outcome) {
  const Counters& totals = outcome.totals;
  const double received = static_cast<double>(totals.received);
  const bool fanout = options.has_publisher();
  const double asked = static_cast<double>(totals.sent) * (fanout ? options.connections : 1.0);
  const std::string errors_json = JsonObject()
                                      .whole("connect", errors.connect)
                                      .whole("handshake", errors.handshake)
                                      .whole("protocol", errors.protocol)
                                      .whole("closed", errors.closed)
                                      .close();
  JsonObject object;
  object.text("mode", mode_name(options.mode))
      .whole("connections", options.connections)
      .whole("threads", options.threads)
      .whole("warmup_ms", options.warmup_ms)
      .real("elapsed_s", outcome.elapsed_s, 6)
      .whole("sent", totals.sent)
      .whole("received", totals.received)
      .whole("unexpected", totals.unexpected)
      .raw("errors", errors_json)
      .whole("bytes_in", totals.bytes_in)
      .whole("bytes_out", totals.bytes_out)
      .real("rate_per_s", received / outcome.elapsed_s, 2)
      .whole("publishes", fanout ? totals.sent : 0);
  if (asked > 0) {
    // Cut, not rounded: 100 stands for every single one.
    object.real("completeness_pct", std::floor(1e6 * received / asked) / 1e4, 4);
  } else {
    object.raw("completeness_pct", "null");
  }
  return object.raw("latency_us", latency_json(outcome))
      .real("client_cpu_s", outcome.client_cpu_s, 6)
      .real("client_cpu_share", outcome.client_cpu_s / (outcome.elapsed_s * options.threads), 4)
      .raw("server", server_json(outcome))
      .raw("machine", machine_json(outcome))
      .close();
}

}  // namespace loadgen
