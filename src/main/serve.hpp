#pragma once

#include "config/options.hpp"

namespace anteroom::app {

/// Runs the front-end until SIGTERM or SIGINT, on the calling thread. `options` are valid and complete, and outlive the
/// call. Returns the exit status of the process: 0 after a graceful stop, 2 when a listener or another thing that the
/// options name cannot be had (one line on standard error says which option), 1 for other trouble.
[[nodiscard]] int run_serve(const config::Options& options);

}  // namespace anteroom::app
