#include <memory>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "proxy/hooks.hpp"

namespace anteroom::proxy {
namespace {

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

  [[nodiscard]] bool looks_at(const command::Facts&) const noexcept override { return false; }
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

std::unique_ptr<Hook> make_access_log_hook(std::uint64_t every_n) { return std::make_unique<AccessLogHook>(every_n); }

}  // namespace anteroom::proxy
