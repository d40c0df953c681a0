#pragma once

#include <cstdint>
#include <optional>

namespace loadgen {

struct ProcessMemory {
  uint64_t pss_kb = 0;
  uint64_t rss_kb = 0;
};

// Of a whole process, threads that have ended included (the switches: of the threads that there are).
struct ProcessUse {
  double cpu_s = 0;
  uint64_t voluntary_switches = 0;
};

// Of the machine, all processors together, since it started.
struct MachineUse {
  double busy_s = 0;
  double steal_s = 0;
  double total_s = 0;
};

// Each is nothing if the process is gone or may not be looked at.
std::optional<ProcessMemory> read_memory(int pid);
std::optional<ProcessUse> read_use(int pid);
MachineUse read_machine();

}  // namespace loadgen
