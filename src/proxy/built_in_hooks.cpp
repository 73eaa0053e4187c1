#include <string>
#include <unordered_set>
#include <utility>

#include "base/log.hpp"
#include "proxy/hooks.hpp"

namespace anteroom::proxy {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

class DenyHook final : public Hook {
 public:
  explicit DenyHook(const std::vector<std::string>& names) {
    for (const std::string& name : names) denied_.insert(lower(name));
  }

  [[nodiscard]] Verdict on_request(const ClientView&, const Request& request) override {
    const std::string name = lower(request.args[0]);
    if (denied_.contains(name)) return refused(name);
    if (request.args.size() > 1) {
      const std::string with_subcommand = name + " " + lower(request.args[1].substr(0, kNameBytesMax));
      if (denied_.contains(with_subcommand)) return refused(with_subcommand);
    }
    return Verdict::go_on();
  }

  [[nodiscard]] bool wants_outcomes() const noexcept override { return false; }

 private:
  // The second argument may be a value of any size; no subcommand is longer than this.
  static constexpr std::size_t kNameBytesMax = 64;

  static Verdict refused(const std::string& name) {
    return Verdict::refuse("NOPERM anteroom: command '" + name + "' is disabled (stage=policy executed=no)");
  }

  std::unordered_set<std::string> denied_;
};

std::string_view to_string(Outcome::Source source) {
  switch (source) {
    case Outcome::Source::kLocal:
      return "local";
    case Outcome::Source::kCacheHit:
      return "hit";
    case Outcome::Source::kFill:
      return "fill";
    case Outcome::Source::kForwarded:
      return "forwarded";
  }
  return "unknown";
}

class AccessLogHook final : public Hook {
 public:
  explicit AccessLogHook(std::uint64_t every_n) : every_n_(every_n) {}

  void on_reply(const Outcome& outcome) override { count(outcome, {}); }
  void on_error(const Outcome& outcome, std::string_view error) override { count(outcome, error); }
  [[nodiscard]] bool wants_outcomes() const noexcept override { return true; }

 private:
  void count(const Outcome& outcome, std::string_view error) {
    if (++seen_ % every_n_ != 0) return;
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(outcome.took);
    // Only the code of an error: its text may repeat arguments.
    log::info("access", {{"client", std::string(outcome.client.address)},
                         {"client_id", static_cast<std::int64_t>(outcome.client.id)},
                         {"db", outcome.client.db},
                         {"command", std::string(outcome.command)},
                         {"source", std::string(to_string(outcome.source))},
                         {"us", static_cast<std::int64_t>(took.count())},
                         {"error", std::string(error.substr(0, error.find(' ')))}});
  }

  const std::uint64_t every_n_;
  std::uint64_t seen_ = 0;
};

}  // namespace

std::unique_ptr<Hook> make_deny_hook(const std::vector<std::string>& names) {
  return std::make_unique<DenyHook>(names);
}

std::unique_ptr<Hook> make_access_log_hook(std::uint64_t every_n) { return std::make_unique<AccessLogHook>(every_n); }

}  // namespace anteroom::proxy
