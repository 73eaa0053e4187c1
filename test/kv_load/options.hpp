#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kv_load/keys.hpp"
#include "kv_load/posix.hpp"
#include "kv_load/requests.hpp"
#include "kv_load/schedule.hpp"

namespace anteroom::kv_load {

/// What the command line says, --help being its reference. A value, of which nobody changes anything later.
struct Options {
  enum class Mode : std::uint8_t { kLoad, kFill, kIdle, kPrintSizes };

  Mode mode = Mode::kLoad;
  Place place;
  Protocol protocol = Protocol::kResp;
  std::size_t connections = 50;
  std::size_t pipeline = 1;
  double seconds = 2;
  double warmup_seconds = 0.3;
  double rate = 0;  ///< requests a second in all; 0: closed loop
  Schedule::Spacing spacing = Schedule::Spacing::kConstant;
  DrawOptions draws{.keys = 10'000};
  std::string prefix = "key:";
  std::size_t value_bytes = 64;
  std::size_t mget = 0;
  bool has_pttl = false;  ///< behind each GET
  int core = -1;          ///< any
};

/// Ends the program, in words, if they make no sense or are beyond a limit, and after --help.
[[nodiscard]] Options parse_options(std::span<char*> arguments);

}  // namespace anteroom::kv_load
