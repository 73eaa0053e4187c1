// Who a Session is and what it may do.
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/address.hpp"
#include "net/event_loop.hpp"
#include "proxy/authentication.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/login_queue.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kWrongPassword = "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kTooManyFailures =
    "ERR anteroom: too many failed authentications from this address (stage=policy executed=no)";
constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
    "configuration is correct?";

/// One peer, as failures are counted: of IPv6 the network of 64 bits, of which one host may have all addresses.
std::string peer_of(std::string_view address) {
  if (address.starts_with("unix:")) return "unix";
  const std::string_view host = address.substr(0, address.rfind(':'));
  const auto parsed = host.starts_with('[') ? net::Address::from_numeric(host, 0) : std::nullopt;
  if (!parsed || parsed->family() != AF_INET6) return std::string(host);
  sockaddr_in6 numeric{};
  std::memcpy(&numeric, parsed->data(), sizeof numeric);
  constexpr std::size_t kNetworkBytes = 8;
  std::string network("[");
  network.append(reinterpret_cast<const char*>(numeric.sin6_addr.s6_addr), kNetworkBytes);
  return network;
}

bool changes_users(const command::Lookup& lookup) {
  if (lookup.match != command::Match::kFound) return false;
  const std::string_view name = lookup.facts->name;
  return name == "acl|setuser" || name == "acl|deluser" || name == "acl|load";
}

using Login = std::shared_ptr<const upstream::Credentials>;

/// With whatever password: tokens that expire are renewed by logging in again.
bool is_same_user(const Login& a, const Login& b) { return a && b ? a->user == b->user : a == b; }

}  // namespace

void Session::begin_authentication() {
  const Authentication& auth = services_.auth;
  auth_mode_ = permit_.listener_auth() == ListenerAuth::kInherit ? auth.mode : permit_.listener_auth();
  become_initial_user();
}

void Session::become_initial_user() {
  const Authentication& auth = services_.auth;
  user_ = auth_mode_ == ListenerAuth::kProxy && auth.users ? auth.users->initial_user() : nullptr;
  lane_.login.reset();
  set_authenticated(auth_mode_ == ListenerAuth::kNone || user_ != nullptr);
  if (user_ != nullptr) use_identity(*user_);
}

// Before it is known who they are, clients may not make us hold much.
void Session::set_authenticated(bool authenticated) {
  is_authenticated_ = authenticated;
  if (!authenticated) unauthenticated_since_ = services_.loop.now();
  resp::Limits limits = services_.limits.parser;
  limits.is_authenticated = authenticated;
  limits.unauthenticated_args_max = services_.auth.preauth_args_max;
  limits.unauthenticated_bulk_bytes_max = services_.auth.preauth_bulk_bytes_max;
  parser_.set_limits(limits);
}

bool Session::is_stranger_for(base::Duration time) const noexcept {
  return !is_authenticated_ && services_.loop.now() - unauthenticated_since_ >= time;
}

std::string Session::user_name() const {
  if (user_ != nullptr) return user_->name();
  if (lane_.login) return lane_.login->user;
  return is_authenticated_ ? "default" : "(none)";
}

void Session::use_identity(const access::User& user) {
  lane_.login.reset();
  if (user.upstream().user.empty()) return;
  lane_.login = std::make_shared<upstream::Credentials>(
      upstream::Credentials{.user = user.upstream().user, .password = user.upstream().password});
  services_.upstream_users.need(services_.forwarder);
}

// Whoever has logged in as somebody else must not go on with the rights of the one before.
void Session::leave_former_link() {
  if (pinned_ != nullptr && !is_same_user(pinned_->lane.login, lane_.login)) lose_pin();
}

// --- Logging in ---

void Session::log_in(const Request& request, std::optional<std::string_view> user, std::string_view password,
                     LoggedIn on_success) {
  const std::string name(user.value_or("default"));
  if (auth_mode_ == ListenerAuth::kNone) {
    // As with a default user without password: that user may give any, others do not exist.
    if (!user) {
      answer_error(request, kNoPassword);
    } else if (name != "default") {
      answer_error(request, kWrongPassword);
    } else {
      answer(request, on_success(*this));
    }
    return;
  }
  if (!may_change_link(request)) return;
  access::FailureLimiter& failures = *services_.auth.failures;
  if (!failures.may_try(peer_of(peer_), services_.loop.now())) {
    refuse(request, kTooManyFailures);
  } else if (auth_mode_ == ListenerAuth::kProxy) {
    log_in_here(request, name, password, !user.has_value(), on_success);
  } else {
    log_in_upstream(request, name, password, std::move(on_success));
  }
}

void Session::log_in_here(const Request& request, const std::string& name, std::string_view password, bool is_old_form,
                          const LoggedIn& on_success) {
  const access::UserTable* const users = services_.auth.users.get();
  const access::User* const initial = users != nullptr ? users->initial_user() : nullptr;
  const bool has_default = users != nullptr && users->find(access::UserTable::kDefaultUser) != nullptr;
  if (is_old_form && (initial != nullptr || !has_default)) {
    answer_error(request, kNoPassword);
    return;
  }
  const access::User* const found = users != nullptr ? users->authenticate(name, password) : nullptr;
  if (found == nullptr) {
    services_.auth.failures->count_failure(peer_of(peer_), services_.loop.now());
    answer_error(request, kWrongPassword);
    return;
  }
  if (found != user_) leave_feeds();
  user_ = found;
  use_identity(*found);
  leave_former_link();
  set_authenticated(true);
  answer(request, on_success(*this));
}

// The server judges, on a link that is made with these credentials and will carry the session's requests. It is asked
// again where such a link is up already: the password may have been changed, or the user disabled, since.
void Session::log_in_upstream(const Request& request, const std::string& name, std::string_view password,
                              LoggedIn on_success) {
  const auto login = std::make_shared<const upstream::Credentials>(
      upstream::Credentials{.user = name, .password = std::string(password)});
  std::string peer = peer_of(peer_);
  if (!services_.logins.begin(peer, id_)) {
    put_off(request, false);
    put_off_until_login_turn_ = true;
    return;
  }
  const ReplyQueue::Slot slot = expect_forwarded(request);
  services_.upstream_users.need(services_.forwarder);
  const upstream::Lane lane = services_.forwarder.link_lane(upstream::Lane(lane_.db, lane_.protocol, login));
  std::string command;
  resp::append_command(command, std::array<std::string_view, 3>{"AUTH", login->user, login->password});
  services_.forwarder.send_own(lane, command,
                               [&services = services_, id = id_, slot, login, peer = std::move(peer),
                                on_success = std::move(on_success)](const base::SharedBytes& reply) {
                                 if (Session* session = services.sessions.find(id))
                                   session->on_upstream_login(slot, login, *reply, on_success);
                                 services.logins.end(peer);
                               });
  wait_for(slot);
}

void Session::on_login_turn() {
  put_off_until_login_turn_ = false;
  if (put_off_is_due()) schedule_input();
}

void Session::on_upstream_login(ReplyQueue::Slot slot, const std::shared_ptr<const upstream::Credentials>& login,
                                std::string_view reply, const LoggedIn& on_success) {
  if (reply == kOk) {
    if (!is_same_user(lane_.login, login)) leave_feeds();
    lane_.login = login;
    leave_former_link();
    set_authenticated(true);
    on_forwarded_reply(slot, on_success(*this));
  } else if (reply.starts_with("-WRONGPASS") || reply.starts_with("-ERR anteroom: upstream authentication failed")) {
    services_.auth.failures->count_failure(peer_of(peer_), services_.loop.now());
    on_forwarded_error(slot, kWrongPassword);
  } else {
    on_forwarded_reply(slot, reply);
  }
}

// --- Rights that change ---

// Redis closes the connections of a user that is deleted, and those that hear channels their user may not any more.
// Here it also ends with the right to subscribe.
void Session::review_rights() {
  if (auth_mode_ != ListenerAuth::kPassthrough || !lane_.login || !services_.upstream_users.are_known()) return;
  const access::User* const user = services_.upstream_users.find(lane_.login->user);
  if (user == nullptr || !may_keep_subscriptions(*user)) close();
}

bool Session::may_keep_subscriptions(const access::User& user) const {
  if (!subscriber_) return true;
  constexpr std::array<std::string_view, kTopicKinds> kCommands{"subscribe", "psubscribe", "ssubscribe"};
  for (std::size_t kind = 0; kind < kTopicKinds; ++kind) {
    if (subscriber_->names[kind].empty()) continue;
    std::vector<std::string_view> args{kCommands[kind]};
    args.insert(args.end(), subscriber_->names[kind].begin(), subscriber_->names[kind].end());
    if (user.check(services_.commands.find(args), args)) return false;
  }
  return true;
}

// --- Judging ---

std::string Session::refusal_of_user(const Request& request) {
  is_judged_upstream_ = false;
  const bool is_restricted = !is_authenticated_ || (user_ != nullptr && !user_->is_unrestricted());
  if (request.lookup.match == command::Match::kWrongArity) {
    // Only the server knows whether it is one, and it does not know what this user may do.
    return is_restricted ? command::wrong_arity_error(*request.lookup.facts) : std::string();
  }
  if (!is_authenticated_) {
    // In Redis's order; the server is not asked what it knows.
    if (request.lookup.match == command::Match::kUnknownCommand) return command::unknown_command_error(request.args);
    if (request.lookup.match == command::Match::kUnknownSubcommand) {
      return command::unknown_subcommand_error(request.args);
    }
    const command::Facts* const facts = request.lookup.facts;
    const bool is_open_to_all = request.lookup.match == command::Match::kFound && facts->has(command::kNoAuth);
    return is_open_to_all ? std::string() : "NOAUTH Authentication required.";
  }
  if (is_restricted) {
    if (const auto denial = user_->check(request.lookup, request.args)) {
      return access::denial_error(*denial, request.lookup, request.args);
    }
  }
  return lane_.login ? refusal_of_upstream_user(request) : std::string();
}

// What goes to the server is judged there. What is answered here in its place must be judged as there: a read that
// may not be goes to the server, which refuses it.
std::string Session::refusal_of_upstream_user(const Request& request) {
  const access::User* const upstream_user = services_.upstream_users.find(lane_.login->user);
  const auto denial =
      upstream_user != nullptr ? upstream_user->check(request.lookup, request.args) : std::optional(access::Denial{});
  if (!denial) {
    if (changes_users(request.lookup)) services_.upstream_users.forget(services_.forwarder);
    return {};
  }
  is_judged_upstream_ = true;
  if (request.lookup.match != command::Match::kFound) return {};
  // Of INFO some sections are.
  const bool is_ours = request.lookup.facts->name.starts_with("anteroom") || request.lookup.facts->name == "info";
  switch (request.lookup.facts->command_class) {
    case command::Class::kSession:
    case command::Class::kStream:
      // What anybody may ask of a connection waits for nothing, not even for the list of users.
      if (!is_ours && upstream_user == nullptr && (request.lookup.facts->flags & command::kAdmin) == 0) return {};
      break;
    case command::Class::kSubscription:
      break;
    default:
      if (!is_ours) return {};
  }
  return access::denial_error(*denial, request.lookup, request.args);
}

}  // namespace anteroom::proxy
