#pragma once

#include "options.h"

namespace loadgen {

// Runs it all and prints the result. The process's exit code: 0 if it was measured, 1 if not.
int run(const Options& options);

}  // namespace loadgen
