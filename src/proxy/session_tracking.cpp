// CLIENT TRACKING: the server watches keys for a Session, which then has a link of its own.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"
#include "proxy/client_mesh.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/push.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kClientId = "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n";
constexpr std::string_view kInvalidationChannel = "__redis__:invalidate";
constexpr std::string_view kNoSuchTarget = "ERR The client ID you want redirect to does not exist";

/// What RESP2 makes of ">2 invalidate KEYS": a message.
std::string as_message(std::string_view push) {
  constexpr std::string_view kStart = ">2\r\n$10\r\ninvalidate\r\n";
  if (!push.starts_with(kStart)) return {};
  std::string_view keys = push.substr(kStart.size());
  if (keys == "_\r\n") keys = "$-1\r\n";
  std::string out("*3\r\n");
  resp::append_bulk(out, "message");
  resp::append_bulk(out, kInvalidationChannel);
  return out.append(keys);
}

}  // namespace

void Session::set_link_state(LinkState state, bool on) {
  if (pinned_ == nullptr) return;
  pin_is_spoiled_ = true;
  link_states_ = on ? link_states_ | static_cast<unsigned>(state) : link_states_ & ~static_cast<unsigned>(state);
  if (state != LinkState::kTracking) return;
  if (!on) {
    end_tracking();
    return;
  }
  services_.forwarder.send_pushes(pinned_->link, [&sessions = services_.sessions, id = id_](std::string_view push) {
    Session* const session = sessions.find(id);
    // To one of RESP2 the server sends none, whatever this link speaks.
    if (session == nullptr || session->protocol() != resp::Protocol::kResp3) return;
    Push message(push);
    session->push(message);
  });
}

void Session::end_tracking() {
  if (pinned_ != nullptr) services_.forwarder.forget_pushes(pinned_->link);
  if (!redirect_) return;
  services_.forwarder.forget_pushes(redirect_->sink->link);
  services_.pinned.release(*redirect_->sink, true);
  redirect_.reset();
}

// The server tells of changes on another connection than the one that reads. The one that our client has named is not
// the server's, so there is a link in between, and what it brings is handed to that client, whichever worker it is
// with.
void Session::redirect_tracking(const Request& request, std::uint64_t target) {
  upstream::PinnedLink* const sink = services_.pinned.take(upstream::Lane(0, resp::Protocol::kResp3, lane_.login));
  if (sink == nullptr) {
    answer_error(request, base::StagedError::no_link({}).reply());
    return;
  }
  end_tracking();
  redirect_ = std::make_unique<Redirect>(Redirect{sink, target, {}});
  const ReplyQueue::Slot slot = expect_forwarded(request);
  std::vector<std::string> args(request.args.begin(), request.args.end());
  services_.clients.ask_all(
      services_.worker,
      [target](Services& each) {
        ClientMesh::Part part;
        each.sessions.for_each([&](Session& session) { part.count += session.client_id() == target ? 1 : 0; });
        return part;
      },
      [&sessions = services_.sessions, id = id_, slot, args = std::move(args)](const ClientMesh::Part& part) mutable {
        if (Session* session = sessions.find(id)) session->find_sink(slot, std::move(args), part.count > 0);
      });
  wait_for(slot);
}

void Session::find_sink(ReplyQueue::Slot slot, std::vector<std::string> args, bool target_exists) {
  // The pinned link may have been lost while the workers were asked, and with it all that was begun.
  if (!redirect_) {
    on_forwarded_error(slot, base::StagedError::connection_lost(base::Executed::kNo).reply());
    return;
  }
  if (!target_exists) {
    end_tracking();
    on_forwarded_error(slot, kNoSuchTarget);
    return;
  }
  services_.forwarder.send_own(
      redirect_->sink->link, kClientId,
      [&sessions = services_.sessions, id = id_, slot, args = std::move(args)](const base::SharedBytes& reply) mutable {
        if (Session* session = sessions.find(id)) {
          session->turn_tracking_on(slot, std::move(args), *reply);
        }
      });
}

void Session::turn_tracking_on(ReplyQueue::Slot slot, std::vector<std::string> args, std::string_view sink_reply) {
  if (!redirect_ || pinned_ == nullptr) {
    on_forwarded_error(slot, base::StagedError::connection_lost(base::Executed::kNo).reply());
    return;
  }
  if (!sink_reply.starts_with(':')) {
    end_tracking();
    on_forwarded_reply(slot, sink_reply);
    return;
  }
  redirect_->sink_id = sink_reply.substr(1, sink_reply.size() - 3);
  for (std::size_t i = 3; i + 1 < args.size(); ++i) {
    if (base::equals_ignore_case(args[i], "REDIRECT")) args[i + 1] = redirect_->sink_id;
  }
  services_.forwarder.send_pushes(
      redirect_->sink->link, [&services = services_, id = id_, target = redirect_->target](std::string_view push) {
        services.clients.ask_all(
            services.worker,
            [target, push = std::string(push)](Services& each) {
              ClientMesh::Part part;
              each.sessions.for_each([&](Session& session) {
                if (session.client_id() != target) return;
                session.push_invalidation(push);
                ++part.count;
              });
              return part;
            },
            [&services, id, target](const ClientMesh::Part& part) {
              Session* const session = part.count == 0 ? services.sessions.find(id) : nullptr;
              if (session != nullptr) session->on_redirect_broken(target);
            });
      });
  std::string command;
  resp::append_command(command, std::vector<std::string_view>(args.begin(), args.end()));
  services_.forwarder.send_own(pinned_->link, command,
                               [&sessions = services_.sessions, id = id_, slot](const base::SharedBytes& reply) {
                                 Session* const session = sessions.find(id);
                                 if (session == nullptr) return;
                                 if (*reply == kOk) {
                                   session->set_link_state(LinkState::kTracking, true);
                                 } else {
                                   session->end_tracking();
                                 }
                                 session->on_forwarded_reply(slot, *reply);
                               });
}

void Session::push_invalidation(std::string_view push) {
  if (lane_.protocol == resp::Protocol::kResp3) {
    Push message(push);
    this->push(message);
  } else if (subscriber_ && subscriber_->of(TopicKind::kChannel).contains(kInvalidationChannel)) {
    Push message(as_message(push));
    this->push(message);
  }
}

// As Redis tells it: a push to one of RESP3, each time that something would have gone to the client that is not there.
void Session::on_redirect_broken(std::uint64_t target) {
  if (!redirect_ || redirect_->target != target) return;
  redirect_->is_broken = true;
  if (lane_.protocol != resp::Protocol::kResp3) return;
  std::string bytes;
  resp::append_push_header(bytes, 2, resp::Protocol::kResp3);
  resp::append_bulk(bytes, "tracking-redir-broken");
  resp::append_integer(bytes, static_cast<std::int64_t>(target));
  Push message(bytes);
  push(message);
}

// Whoever relies on being told must hear that nobody tells any more, also if it asks for nothing itself.
void Session::check_redirect() {
  const bool is_link_lost = has_link_state(LinkState::kTracking) && pinned_ != nullptr && !pinned_->is_alive();
  if (is_link_lost || (redirect_ && !redirect_->sink->is_alive())) close();
}

std::string Session::as_seen_by_client(std::string reply) const {
  if (!redirect_) return reply;
  const std::string inner = ":" + redirect_->sink_id + "\r\n";
  if (const std::size_t at = reply.find(inner); at != std::string::npos) {
    reply.replace(at, inner.size(), ":" + std::to_string(redirect_->target) + "\r\n");
  }
  // In TRACKINGINFO the flags, fewer than ten, stand right before the redirection.
  constexpr std::string_view kFlags = "$5\r\nflags\r\n";
  const std::size_t flags = reply.find(kFlags);
  const std::size_t end = reply.find("$8\r\nredirect\r\n");
  if (redirect_->is_broken && flags != std::string::npos && end != std::string::npos) {
    reply.insert(end, "$15\r\nbroken_redirect\r\n");
    ++reply[flags + kFlags.size() + 1];
  }
  return reply;
}

}  // namespace anteroom::proxy
