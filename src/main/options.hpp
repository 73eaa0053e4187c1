#pragma once

namespace anteroom::app {

/// Prints the reference of all options on standard output. Returns the exit status.
[[nodiscard]] int run_options();

}  // namespace anteroom::app
