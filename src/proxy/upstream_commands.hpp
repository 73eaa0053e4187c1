#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "command/overlay.hpp"
#include "command/table.hpp"
#include "proxy/handler_registry.hpp"

namespace anteroom::upstream {
class Link;
}

namespace anteroom::proxy {

class Forwarder;

/// What the server says of the commands that the compiled-in table lacks, so that a module's read costs nothing and its
/// write only the keys that it names. Asked for (COMMAND) whenever the main link has come up: another server may answer
/// there now, with other modules. Until it has answered, and if it does not tell, nothing is known, and such a command
/// may write anything. One per worker; loop thread only.
class UpstreamCommands {
 public:
  explicit UpstreamCommands(const command::Table& commands) : commands_(commands) {}

  /// Null if nothing is known of it, or the table knows it. Valid until the end of the turn.
  [[nodiscard]] const command::Overlay::Entry* find(const Request& request) const noexcept;

  /// `link`, the main one, has come up: forgets all and asks it.
  void on_link_up(Forwarder& forwarder, upstream::Link& link);
  /// Asks again if the last answer was trouble that passes.
  void tick(Forwarder& forwarder);

 private:
  void take(std::string_view reply);

  const command::Table& commands_;
  std::optional<command::Overlay> overlay_;
  std::uint64_t questions_ = 0;  // an answer from before a loss is none
  bool must_ask_again_ = false;
};

}  // namespace anteroom::proxy
