#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "access/failure_limiter.hpp"
#include "access/user_table.hpp"
#include "command/table.hpp"
#include "proxy/listener_auth.hpp"

namespace anteroom::proxy {

class Forwarder;

/// Who may log in and how: what all workers share. Outlives the sessions.
struct Authentication {
  ListenerAuth mode = ListenerAuth::kNone;         ///< of listeners without one of their own; not kInherit
  std::shared_ptr<const access::UserTable> users;  ///< our own, for kProxy; may be null if there are none
  access::FailureLimiter* failures = nullptr;      ///< never null but in tests
  std::int64_t preauth_args_max = 10;
  std::int64_t preauth_bulk_bytes_max = 16 * 1024;
};

/// The users that the server itself has, as far as their rules matter here: for sessions whose requests go there in
/// their own name, but which are sometimes answered without asking it. Asked for once a second (ACL LIST), if anybody
/// needs them, so that a right that was taken away is gone here a moment later. One per worker; loop thread only.
class UpstreamUsers {
 public:
  explicit UpstreamUsers(const command::Table& commands) : commands_(commands) {}

  /// Called when they may have changed, never inside another call of this object.
  void set_on_change(std::function<void()> on_change) { on_change_ = std::move(on_change); }
  /// The server has told; else nobody is found.
  [[nodiscard]] bool are_known() const noexcept { return table_ != nullptr; }

  /// Null if there is no such user, or the server does not tell: then nothing may be answered here.
  [[nodiscard]] const access::User* find(std::string_view name) const noexcept {
    return table_ ? table_->find(name) : nullptr;
  }
  /// Somebody needs them from now on: asks at once, and in every tick().
  void need(Forwarder& forwarder);
  void tick(Forwarder& forwarder);
  /// Users are being changed through here: until the server has been asked again, nothing is known.
  void forget(Forwarder& forwarder);

 private:
  void ask(Forwarder& forwarder);
  void take(std::string_view reply);

  const command::Table& commands_;
  std::function<void()> on_change_;
  std::shared_ptr<const access::UserTable> table_;
  std::string last_reply_;
  bool is_needed_ = false;
  std::uint64_t questions_ = 0;
};

}  // namespace anteroom::proxy
