#pragma once

#include "config/options.hpp"

namespace anteroom::app {

/// `anteroom gateway`. Returns the exit status: 2 for options that do not work, with one line on standard error.
[[nodiscard]] int run_gateway(const config::Options& options);

}  // namespace anteroom::app
