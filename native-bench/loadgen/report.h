#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "histogram.h"
#include "options.h"
#include "proc-stats.h"
#include "shared.h"
#include "worker.h"

namespace loadgen {

// All that a run found out. Times of processes are those of the counted time.
struct Outcome {
  Counters totals;
  Histogram latency;
  // The latencies stand for what they are called.
  bool latency_known = true;
  double elapsed_s = 0;
  double client_cpu_s = 0;
  double own_cpu_s = 0;
  std::optional<ProcessUse> server_before;
  std::optional<ProcessUse> server_after;
  std::optional<ProcessMemory> memory_before;
  std::optional<ProcessMemory> memory_after;
  MachineUse machine_before;
  MachineUse machine_after;
};

// One line of JSON, without the newline.
std::string report(const Options& options, const Errors& errors, const Outcome& outcome);

}  // namespace loadgen
