#pragma once

#include <compare>
#include <memory>
#include <string>
#include <utility>

#include "resp/writer.hpp"

namespace anteroom::upstream {

/// Whom to log in as. Both empty means no AUTH; an empty user means the default user. A user without a password logs in
/// with an empty one: it must not become the default user instead.
struct Credentials {
  std::string user;
  std::string password;

  [[nodiscard]] bool are_given() const noexcept { return !user.empty() || !password.empty(); }

  friend auto operator<=>(const Credentials&, const Credentials&) = default;
};

/// What two sessions must have in common to share a link, because the server keeps it per connection: the db, the
/// protocol and the user. Cheap to copy.
///
/// The protocol is part of it, so that every reply comes as its reader wants it: from RESP3 to RESP2 the kind of a null
/// is lost, which scripts and modules choose as they like (UPSTREAM.md B7.1, `match`).
struct Lane {
  Lane() = default;
  // A number alone is the plain lane of that db.
  Lane(int its_db, resp::Protocol spoken = resp::Protocol::kResp2,  // NOLINT(google-explicit-constructor)
       std::shared_ptr<const Credentials> who = nullptr)
      : db(its_db), protocol(spoken), login(std::move(who)) {}

  int db = 0;
  resp::Protocol protocol = resp::Protocol::kResp2;
  std::shared_ptr<const Credentials> login;  ///< null: the one that the configuration names
  /// Which of several links that are alike: below Pool::parallel(). A session stays on one, which keeps its order.
  unsigned number = 0;

  friend std::strong_ordering operator<=>(const Lane& a, const Lane& b) {
    if (const auto order = a.db <=> b.db; order != 0) return order;
    if (const auto order = a.protocol <=> b.protocol; order != 0) return order;
    if (const auto order = a.number <=> b.number; order != 0) return order;
    if (a.login == b.login) return std::strong_ordering::equal;
    if (!a.login || !b.login) return (a.login != nullptr) <=> (b.login != nullptr);
    return *a.login <=> *b.login;
  }
  friend bool operator==(const Lane& a, const Lane& b) {
    if (a.db != b.db || a.protocol != b.protocol || a.number != b.number) return false;
    return a.login == b.login || (a.login && b.login && *a.login == *b.login);
  }
};

}  // namespace anteroom::upstream
