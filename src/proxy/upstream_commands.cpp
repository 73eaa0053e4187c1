#include "proxy/upstream_commands.hpp"

#include <string>
#include <utility>

#include "base/log.hpp"
#include "proxy/forwarder.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kCommand = "*1\r\n$7\r\nCOMMAND\r\n";

// A script that runs too long, a reply that did not come in time; not what the server will say every time.
bool is_passing(std::string_view reply) noexcept {
  return reply.starts_with('-') && !reply.starts_with("-ERR ") && !reply.starts_with("-NOPERM ");
}

}  // namespace

const command::Overlay::Entry* UpstreamCommands::find(const Request& request) const noexcept {
  const command::Match match = request.lookup.match;
  const bool is_unlisted = match == command::Match::kUnknownCommand || match == command::Match::kUnknownSubcommand;
  return overlay_ && is_unlisted ? overlay_->find(request.args) : nullptr;
}

void UpstreamCommands::on_link_up(Forwarder& forwarder, upstream::Link& link) {
  overlay_.reset();
  must_ask_again_ = false;
  forwarder.send_own(link, kCommand, [this, number = ++questions_](const base::SharedBytes& reply) {
    if (number == questions_) take(*reply);
  });
}

void UpstreamCommands::tick(Forwarder& forwarder) {
  if (!std::exchange(must_ask_again_, false)) return;
  forwarder.send_own(forwarder.main_lane(), kCommand, [this, number = ++questions_](const base::SharedBytes& reply) {
    if (number == questions_) take(*reply);
  });
}

void UpstreamCommands::take(std::string_view reply) {
  must_ask_again_ = is_passing(reply);
  auto overlay = command::Overlay::parse(reply, commands_);
  if (overlay) {
    log::debug("commands of the server known", {{"beyond_the_table", overlay->size()}});
    overlay_ = std::move(*overlay);
  } else if (!must_ask_again_) {
    log::warn("commands of the server not known; those of modules count as writes of anything",
              {{"reason", overlay.error()}});
  }
}

}  // namespace anteroom::proxy
