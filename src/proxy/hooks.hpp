#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "proxy/handler_registry.hpp"

namespace anteroom::proxy {

/// What a hook may know of the client.
struct ClientView {
  std::uint64_t id = 0;
  std::string_view address;
  int db = 0;
};

/// What on_request decided.
struct Verdict {
  enum class Kind : std::uint8_t {
    kContinue,
    kRewrite,  ///< go on with `args` in place of the client's
    kAnswer,   ///< send `text` as it is: one complete RESP reply
    kRefuse,   ///< send `text` as an error (without '-' and CRLF)
  };
  Kind kind = Kind::kContinue;
  std::string text;
  std::vector<std::string> args;

  static Verdict go_on() { return {}; }
  static Verdict refuse(std::string error) { return {Kind::kRefuse, std::move(error), {}}; }
  static Verdict answer(std::string reply) { return {Kind::kAnswer, std::move(reply), {}}; }
  static Verdict rewrite(std::vector<std::string> args) { return {Kind::kRewrite, {}, std::move(args)}; }
};

/// How a request ended. `source` says who answered.
struct Outcome {
  enum class Source : std::uint8_t { kLocal, kCacheHit, kFill, kForwarded };
  ClientView client;
  std::string_view command;  ///< name from the command table, or as the client sent it if unknown
  Source source = Source::kLocal;
  base::Duration took{};
};

/// Code around every command. One object per worker and hook, on its thread only; must not block. A hook costs nothing
/// on the way of commands that it does not look at, nor on the way back if it is not interested in outcomes.
class Hook {
 public:
  virtual ~Hook() = default;
  /// False if on_request() always continues for this command of the table; asked once, when the hook is added. Of
  /// commands and subcommands that the table does not know, a hook is always asked.
  [[nodiscard]] virtual bool looks_at(const command::Facts& facts) const noexcept;
  /// Before dispatch, in the order of registration; the first that does not continue decides. After a rewrite the next
  /// hooks see the new arguments.
  [[nodiscard]] virtual Verdict on_request(const ClientView& client, const Request& request);
  /// After the reply was queued.
  virtual void on_reply(const Outcome& outcome);
  /// After an error was queued: `error` is its text without '-' and CRLF, from us or from the upstream.
  virtual void on_error(const Outcome& outcome, std::string_view error);
  /// False spares the bookkeeping for on_reply and on_error.
  [[nodiscard]] virtual bool wants_outcomes() const noexcept = 0;
};

/// The hooks of one worker. The table outlives it.
class HookChain {
 public:
  explicit HookChain(const command::Table& table) : table_(table), is_looked_at_(table.size()) {}

  void add(std::unique_ptr<Hook> hook);
  /// Whether any hook may do anything but continue, as far as `lookup` tells: only then on_request() has to be called.
  [[nodiscard]] bool look_at(const command::Lookup& lookup) const noexcept {
    const bool is_known = lookup.match == command::Match::kFound || lookup.match == command::Match::kWrongArity;
    return is_known ? is_looked_at_[lookup.facts->id] != 0 : !hooks_.empty();
  }
  [[nodiscard]] bool wants_outcomes() const noexcept { return wants_outcomes_; }

  /// Runs on_request of all from number `first` on, until one does not continue; says which in `stopped_at`.
  [[nodiscard]] Verdict on_request(const ClientView& client, const Request& request, std::size_t first,
                                   std::size_t& stopped_at);
  void on_reply(const Outcome& outcome);
  void on_error(const Outcome& outcome, std::string_view error);

 private:
  const command::Table& table_;
  std::vector<std::unique_ptr<Hook>> hooks_;
  std::vector<std::uint8_t> is_looked_at_;  // by command::Facts::id
  bool wants_outcomes_ = false;
};

/// What a denied command is answered with.
enum class DeniedAs : std::uint8_t {
  kNoPerm,  ///< -NOPERM, with the name that is denied
  kHidden,  ///< Redis's own words for a command or subcommand that does not exist
};
/// Refuses the commands it was given: "shutdown", or "config set" for one subcommand, also such that the table does not
/// know. Case-insensitive.
[[nodiscard]] std::unique_ptr<Hook> make_deny_hook(const command::Table& table, const std::vector<std::string>& names,
                                                   DeniedAs denied_as);

struct Rename {
  std::string old_name;  ///< unknown from now on
  std::string new_name;  ///< does what the old one did; empty: nothing does
};
/// Like rename-command of Redis. To be added before all hooks that look at commands: they see the old names. The new
/// ones are none of the table's. Case-insensitive.
[[nodiscard]] std::unique_ptr<Hook> make_rename_hook(const command::Table& table, const std::vector<Rename>& renames);
/// Logs every n-th command of this worker with who, what, how long and from where; never a key or a value. n > 0.
[[nodiscard]] std::unique_ptr<Hook> make_access_log_hook(std::uint64_t every_n);

}  // namespace anteroom::proxy
