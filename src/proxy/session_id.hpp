#pragma once

#include <cstdint>

namespace anteroom::proxy {

/// Names a session across a wait. Whoever waits for something keeps this and never a pointer: the client may be gone
/// when it comes. One that no table gave names nobody.
struct SessionId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  friend bool operator==(const SessionId&, const SessionId&) = default;
};

}  // namespace anteroom::proxy
