#include "proc-stats.h"

#include <dirent.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "clock.h"

namespace loadgen {

namespace {

std::string proc_path(int pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

double ticks_to_seconds(uint64_t ticks) { return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK)); }

// The number after "<name>:" in a file with one such line each.
std::optional<uint64_t> field(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10);
    }
  }
  return std::nullopt;
}

// utime and stime of /proc/<pid>/stat: hundredths of a second.
std::optional<double> cpu_by_ticks(int pid) {
  std::ifstream file(proc_path(pid, "stat"));
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  // The second field is the program's name in brackets, and may hold anything.
  const size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(bracket + 1));
  std::string skipped;
  for (int i = 0; i < 11; i++) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  if (!(fields >> user >> system)) return std::nullopt;
  return ticks_to_seconds(user + system);
}

// The process's own CPU clock counts nanoseconds; stat is for where it may not be read.
std::optional<double> cpu_of(int pid) {
  clockid_t clock = 0;
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
  return cpu_by_ticks(pid);
}

}  // namespace

std::optional<ProcessMemory> read_memory(int pid) {
  const auto pss = field(proc_path(pid, "smaps_rollup"), "Pss");
  const auto rss = field(proc_path(pid, "smaps_rollup"), "Rss");
  if (!pss || !rss) return std::nullopt;
  return ProcessMemory{*pss, *rss};
}

std::optional<ProcessUse> read_use(int pid) {
  const auto cpu = cpu_of(pid);
  if (!cpu) return std::nullopt;
  ProcessUse use;
  use.cpu_s = *cpu;
  DIR* const tasks = opendir(proc_path(pid, "task").c_str());
  if (tasks == nullptr) return std::nullopt;
  while (const dirent* task = readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    const std::string status = "task/" + std::string(task->d_name) + "/status";
    use.voluntary_switches += field(proc_path(pid, status.c_str()), "voluntary_ctxt_switches").value_or(0);
  }
  closedir(tasks);
  return use;
}

MachineUse read_machine() {
  std::ifstream file("/proc/stat");
  std::string label;
  // user nice system idle iowait irq softirq steal; guest time is part of user.
  uint64_t ticks[8] = {};
  file >> label;
  for (uint64_t& value : ticks) file >> value;
  MachineUse use;
  for (size_t i = 0; i < 8; i++) use.total_s += ticks_to_seconds(ticks[i]);
  use.steal_s = ticks_to_seconds(ticks[7]);
  use.busy_s = use.total_s - use.steal_s - ticks_to_seconds(ticks[3] + ticks[4]);
  return use;
}

}  // namespace loadgen
