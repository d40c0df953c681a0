#include <cstdio>
#include <exception>

#include "options.h"
#include "run.h"

namespace {

constexpr char kHelp[] =
    "loadgen --port N [--host H] [--path /ws] [--subprotocol S] [--mode echo|fanout|connect|idle|latency]\n"
    "  --connections N --threads N --warmup-ms N --duration-ms N --pipeline N --rate N --grace-ms N\n"
    "  --seed N --server-pid P\n"
    "  --message-file F --opcode text|binary --expect-bytes N --await-first N --keepalive engineio\n"
    "  --setup-file F [--setup-replies N] ...\n"
    "  --publishers N --publisher-subprotocol S --publisher-setup-file F [--setup-replies N] ...\n"
    "  --subscriber-groups G --group-setup-file g:F --group-expect-bytes g:N --group-opcode g:text|binary\n"
    "One line of JSON on stdout. native-bench/loadgen/README.md says what it measures.\n";

}  // namespace

int main(int count, char** arguments) {
  try {
    const auto options = loadgen::parse_options(count, arguments);
    if (!options) {
      std::fputs(kHelp, stdout);
      return 0;
    }
    return loadgen::run(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "loadgen: %s\n", error.what());
    return 1;
  }
}
