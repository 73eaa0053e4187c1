#include "proxy/authentication.hpp"

#include <vector>

#include "base/log.hpp"
#include "proxy/forwarder.hpp"
#include "resp/value.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kAclList = "*2\r\n$3\r\nACL\r\n$4\r\nLIST\r\n";

}  // namespace

void UpstreamUsers::need(Forwarder& forwarder) {
  if (std::exchange(is_needed_, true)) return;
  ask(forwarder);
}

void UpstreamUsers::tick(Forwarder& forwarder) {
  if (is_needed_) ask(forwarder);
}

void UpstreamUsers::forget(Forwarder& forwarder) {
  if (!is_needed_) return;
  table_.reset();
  last_reply_.clear();
  ask(forwarder);
}

void UpstreamUsers::ask(Forwarder& forwarder) {
  // An answer from before forget() may be that of before the change.
  forwarder.send_own(forwarder.main_lane(), kAclList, [this, number = ++questions_](const base::SharedBytes& reply) {
    if (number == questions_) take(*reply);
  });
}

void UpstreamUsers::take(std::string_view reply) {
  if (reply == last_reply_) return;
  last_reply_ = reply;
  table_.reset();
  const auto value = resp::parse_value(reply);
  if (!value || value->type != resp::Value::Type::kArray) {
    log::warn("users of the server not known; clients that log in there are not served from the cache",
              {{"reason", std::string(reply.substr(0, reply.find('\r')))}});
    return;
  }
  std::vector<std::string> lines;
  lines.reserve(value->items.size());
  for (const resp::Value& item : value->items) lines.push_back(item.text);
  table_ = access::UserTable::import(commands_, lines);
  if (on_change_) on_change_();
}

}  // namespace anteroom::proxy
