#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace anteroom::test {

/// Who was asked for in a recorded trace (test/traces/README.md), renumbered from 0 in the order of first requests.
struct Trace {
  std::vector<std::uint32_t> requests;  ///< numbers of objects
  std::uint32_t objects = 0;            ///< how many different ones
};

/// The trace test/traces/`name`.trace.xz, from the project's folder. Ends the test program with a message if it cannot
/// be read whole.
[[nodiscard]] Trace read_trace(const std::string& name);

}  // namespace anteroom::test
