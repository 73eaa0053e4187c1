#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace anteroom::config {

/// The places a value may come from, weakest first.
enum class Level : std::uint8_t { kDefault, kFile, kEnvironment, kFlag };

struct Origin {
  Level level = Level::kDefault;
  std::string source = "default";  ///< for people: "flag --port"
};

/// JSON path of each option that was given to its strongest origin.
using Origins = std::map<std::string, Origin, std::less<>>;

}  // namespace anteroom::config
