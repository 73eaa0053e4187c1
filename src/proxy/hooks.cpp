#include "proxy/hooks.hpp"

#include <utility>

namespace anteroom::proxy {

bool Hook::looks_at(const command::Facts&) const noexcept { return true; }
Verdict Hook::on_request(const ClientView&, const Request&) { return Verdict::go_on(); }
void Hook::on_reply(const Outcome&) {}
void Hook::on_error(const Outcome&, std::string_view) {}

void HookChain::add(std::unique_ptr<Hook> hook) {
  wants_outcomes_ = wants_outcomes_ || hook->wants_outcomes();
  for (const command::Facts& facts : table_) {
    if (hook->looks_at(facts)) is_looked_at_[facts.id] = 1;
  }
  hooks_.push_back(std::move(hook));
}

Verdict HookChain::on_request(const ClientView& client, const Request& request, std::size_t first,
                              std::size_t& stopped_at) {
  for (std::size_t i = first; i < hooks_.size(); ++i) {
    Verdict verdict = hooks_[i]->on_request(client, request);
    if (verdict.kind != Verdict::Kind::kContinue) {
      stopped_at = i;
      return verdict;
    }
  }
  return Verdict::go_on();
}

void HookChain::on_reply(const Outcome& outcome) {
  for (const auto& hook : hooks_) hook->on_reply(outcome);
}

void HookChain::on_error(const Outcome& outcome, std::string_view error) {
  for (const auto& hook : hooks_) hook->on_error(outcome, error);
}

}  // namespace anteroom::proxy
