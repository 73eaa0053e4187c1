// A request whose time has not come: behind fetches, for a link or a login, or until CLIENT PAUSE is over.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command/table.hpp"
#include "net/event_loop.hpp"
#include "proxy/client_pause.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {

void Session::put_off(const Request& request, bool until_settled) {
  // Copied: the bytes belong to the worker's shared buffer. Rare: a forwarded command right behind a missed GET.
  put_off_.assign(request.args.begin(), request.args.end());
  put_off_until_settled_ = until_settled;
  pause(kPutOff);
}

bool Session::put_off_is_due() const noexcept {
  return (pauses_ & kPutOff) != 0 && !pin_ticket_ && !put_off_until_unpaused_ && !put_off_until_login_turn_ &&
         fills_outstanding_ == 0 && (!put_off_until_settled_ || forwards_outstanding_ == 0);
}

void Session::dispatch_put_off() {
  const std::vector<std::string> owned = std::exchange(put_off_, {});
  const std::vector<std::string_view> args(owned.begin(), owned.end());
  pauses_ &= static_cast<std::uint8_t>(~kPutOff);
  dispatch_to_handler(Request{{.args = args}, services_.commands.find(args)});
  end_skip();
}

// As in Redis, whoever is paused does not see that it is: its commands are carried out later.
bool Session::must_pause(const Request& request) const {
  const ClientPause::Mode mode = services_.pause.pause().mode(services_.loop.now());
  if (mode == ClientPause::Mode::kNone) return false;
  const command::Lookup& lookup = request.lookup;
  const bool is_found = lookup.match == command::Match::kFound;
  if (is_found && lookup.facts->name == "client|unpause") return false;  // or nobody could end it
  if (mode == ClientPause::Mode::kAll) return true;
  return is_found && lookup.facts->name == "exec" ? transaction_.may_replicate : may_replicate(request);
}

// Of what nobody knows it must be assumed.
bool Session::may_replicate(const Request& request) const {
  const command::Lookup& lookup = request.lookup;
  if (lookup.match == command::Match::kWrongArity) return false;
  if (lookup.match != command::Match::kFound) {
    const command::Overlay::Entry* const entry = services_.forwarder.unlisted(request);
    return entry == nullptr || entry->facts.effect != command::CacheEffect::kNone ||
           entry->facts.has(command::kMayReplicate);
  }
  const command::Facts& facts = *lookup.facts;
  return facts.command_class == command::Class::kScript
             ? !facts.has(command::kReadonly)
             : (facts.flags & (command::kWrite | command::kMayReplicate)) != 0;
}

void Session::on_unpaused() {
  put_off_until_unpaused_ = false;
  schedule_input();
}

}  // namespace anteroom::proxy
