#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>

namespace anteroom::net {

/// 32 bytes that only who has the private key in `key_file` (PEM) can make, and that are the same after a restart: a
/// server of QUIC tells the peers of its former life by them that it knows nothing of their connections any more (RFC
/// 9000, section 10.3), instead of leaving them to their timers. The error names the file and the reason.
[[nodiscard]] std::expected<std::array<std::uint8_t, 32>, std::string> secret_of_key(const std::string& key_file);

}  // namespace anteroom::net
