#pragma once

#include <cstdint>

namespace anteroom::test {

/// A loopback TCP port on which nobody listens. It lies below the range from which the kernel takes ports for outgoing
/// connections, and no other test process is given it while this one lives.
[[nodiscard]] std::uint16_t free_port();

}  // namespace anteroom::test
