#pragma once

#include "config/options.hpp"

namespace anteroom::app {

/// Prints the effective configuration and its sources on standard output. Returns the exit status.
[[nodiscard]] int run_check(const config::Options& options);

}  // namespace anteroom::app
