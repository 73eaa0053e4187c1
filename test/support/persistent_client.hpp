#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "support/resp_client.hpp"

namespace anteroom::test {

/// A client that connects again after trouble. Whoever meets trouble calls drop(). One thread at a time.
class PersistentClient {
 public:
  PersistentClient(Address address, milliseconds patience) : address_(std::move(address)), patience_(patience) {}

  /// Connected, unless the server refuses connections.
  [[nodiscard]] RespClient& connection() {
    if (connection_ && !connection_->is_connected()) connection_.reset();
    if (!connection_) connection_.emplace(address_, patience_);
    return *connection_;
  }
  void drop() { connection_.reset(); }

  template <typename... Args>
  Reply ask(const Args&... args) {
    Reply reply = connection().ask(args...);
    if (reply.type == '\0') drop();
    return reply;
  }

 private:
  Address address_;
  milliseconds patience_;
  std::optional<RespClient> connection_;
};

}  // namespace anteroom::test
