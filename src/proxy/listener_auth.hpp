#pragma once

#include <cstdint>

namespace anteroom::proxy {

/// How the clients of one listener prove who they are; kInherit is as the configuration has it for all.
enum class ListenerAuth : std::uint8_t { kInherit, kNone, kProxy, kPassthrough };

}  // namespace anteroom::proxy
