#include "proxy/session.hpp"

#include <utility>

#include "base/ascii.hpp"
#include "base/check.hpp"
#include "base/log.hpp"
#include "cache/cache.hpp"
#include "command/table.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "proxy/authentication.hpp"
#include "proxy/client_pause.hpp"
#include "proxy/fill_table.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/read_ahead.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

/// Whatever its arguments, it neither changes the connection it is sent on nor is about it.
bool is_for_any_link(const command::Facts& facts) noexcept {
  switch (facts.command_class) {
    case command::Class::kSession:
    case command::Class::kSubscription:
    case command::Class::kStream:
    case command::Class::kTransaction:
    case command::Class::kContainer:
      return false;
    default:
      return !facts.name.starts_with("anteroom");
  }
}

/// A browser was made to send HTTP here. Redis closes such a connection without a word, and would close our link.
bool is_of_http(const Request& request) noexcept {
  if (request.lookup.match != command::Match::kUnknownCommand) return false;
  return base::equals_ignore_case(request.args[0], "POST") || base::equals_ignore_case(request.args[0], "Host:");
}

}  // namespace

Session::Session(SessionId id, ClientPermit permit, std::unique_ptr<net::ByteStream> stream, Services& services)
    : id_(id),
      permit_(std::move(permit)),
      services_(services),
      stream_(std::move(stream)),
      peer_(stream_->peer_name()),
      parser_(services.limits.parser),
      lane_(services.default_db),
      connected_at_(services.loop.now()),
      last_active_(connected_at_) {
  begin_authentication();
  services_.metrics.connected_clients.add(1);
  services_.metrics.connections_received.add();
}

Session::~Session() { services_.metrics.connected_clients.add(-1); }

// --- Dispatch ---

void Session::run_commands(base::ReadBuffer& in) {
  std::size_t budget = services_.limits.requests_per_turn;
  Request request;
  while (takes_commands()) {
    if (budget-- == 0) {
      pause(kTurnOver);
      return;
    }
    switch (parser_.next(in, request)) {
      case resp::Step::kNeedMore:
        return;
      case resp::Step::kError:
        fail_protocol();
        return;
      case resp::Step::kCommand:
        look_up(request);
        if (!in.empty() && is_worth_reading_ahead(request.lookup)) {
          run_reads(in, request, budget);
        } else {
          dispatch(request);
          pause_if_full();
        }
        break;
    }
  }
}

void Session::run_reads(base::ReadBuffer& in, Request& request, std::size_t& budget) {
  ReadAhead ahead;
  while (true) {
    ahead.step(parser_, in.readable(), *services_.cache);
    dispatch(request);
    pause_if_full();
    const ReadAhead::Read* const read = takes_commands() && budget > 0 ? ahead.next() : nullptr;
    if (read == nullptr) break;
    --budget;
    parser_.take_alike(in, read->key, request);
    request.key_hash = read->key_hash;
  }
  request.key_hash = 0;
}

void Session::pause_if_full() {
  if (!replies_.empty() && replies_.pending() >= services_.limits.pipeline_depth) pause(kPipelineFull);
}

void Session::look_up(Request& request) {
  if (!request.is_alike || !lookup_.is_by_name) lookup_ = services_.commands.find(request.args);
  request.lookup = lookup_;
}

bool Session::is_worth_reading_ahead(const command::Lookup& lookup) const noexcept {
  return lookup.match == command::Match::kFound && services_.cache != nullptr &&
         services_.cache->outgrows_processor() && services_.cached_reads.is_get(*lookup.facts);
}

void Session::dispatch(const Request& request) {
  services_.metrics.commands_processed.add();
  if (reply_mode_ == ReplyMode::kSkipNext) replies_.set_muted(true);
  dispatch(request, 0);
  end_skip();
}

void Session::dispatch(const Request& request, std::size_t first_hook) {
  if (services_.hooks.look_at(request.lookup) && is_stopped_by_hook(request, first_hook)) return;
  dispatch_to_handler(request);
}

bool Session::is_stopped_by_hook(const Request& request, std::size_t first_hook) {
  std::size_t stopped_at = 0;
  const Verdict verdict = services_.hooks.on_request(view(), request, first_hook, stopped_at);
  if (verdict.kind == Verdict::Kind::kContinue) return false;
  apply(verdict, request, stopped_at + 1);
  return true;
}

void Session::dispatch_to_handler(const Request& request) {
  if (!is_usual(request)) {
    dispatch_with_care(request);
    return;
  }
  last_command_ = request.lookup.facts->name;
  services_.handlers.find (*request.lookup.facts)(*this, request);
}

bool Session::is_usual(const Request& request) const noexcept {
  return request.lookup.match == command::Match::kFound && services_.pause.pause().is_off() && pinned_ == nullptr &&
         auth_mode_ == ListenerAuth::kNone && !transaction_.is_open && !subscriber_ && !is_monitor_;
}

void Session::dispatch_with_care(const Request& request) {
  if (!services_.pause.pause().is_off() && must_pause(request)) {
    put_off(request, false);
    put_off_until_unpaused_ = true;
    services_.pause.wait(id_);
    return;
  }
  if (is_of_http(request)) {
    services_.metrics.clients_closed_protocol_error.add();
    log::debug("HTTP request refused", {{"client", peer_}});
    close();
    return;
  }
  if (pinned_ != nullptr && !pinned_->is_alive()) lose_pin();
  if (auth_mode_ != ListenerAuth::kNone) {
    if (const std::string refused = refusal_of_user(request); !refused.empty()) {
      refuse(request, refused);
      return;
    }
  }
  if (request.lookup.match != command::Match::kFound) {
    if (const std::string refused = refusal_of_name(request); !refused.empty()) {
      refuse(request, refused);
      return;
    }
  }
  if (request.lookup.match == command::Match::kFound) last_command_ = request.lookup.facts->name;
  if (transaction_.is_open) {
    dispatch_in_transaction(request);
    return;
  }
  if (request.lookup.match != command::Match::kFound) {
    dispatch_unmatched(request);
    return;
  }
  if (subscriber_ || is_monitor_) {
    if (const std::string refused = refusal_of_mode(*request.lookup.facts); !refused.empty()) {
      answer_error(request, refused);
      return;
    }
  }
  services_.handlers.find (*request.lookup.facts)(*this, request);
}

std::string Session::refusal_of_mode(const command::Facts& facts) const {
  if (is_monitor_ && (facts.flags & (command::kWrite | command::kReadonly | command::kMayReplicate)) != 0) {
    return "ERR Replica can't interact with the keyspace";
  }
  if (lane_.protocol == resp::Protocol::kResp3 || !is_subscribed()) return {};
  if (facts.command_class == command::Class::kSubscription) return {};
  if (facts.name == "ping" || facts.name == "quit" || facts.name == "reset") return {};
  return "ERR Can't execute '" + std::string(facts.name) +
         "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
}

void Session::dispatch_unmatched(const Request& request) {
  const command::Lookup& lookup = request.lookup;
  // An unknown name is a module's or a newer server's: only the upstream knows, and it has the exact words if there is
  // none such. But a CLIENT subcommand would act on a link that others share.
  // A wrong number of arguments harms no link, and a server that is older than our table has never heard of the name.
  const bool may_try = lookup.match == command::Match::kUnknownCommand ||
                       (lookup.match == command::Match::kUnknownSubcommand && lookup.facts->name != "client") ||
                       (lookup.match == command::Match::kWrongArity && is_for_any_link(*lookup.facts));
  if (may_try) {
    handle_unlisted(*this, request);
  } else if (lookup.match == command::Match::kWrongArity) {
    refuse(request, command::wrong_arity_error(*lookup.facts));
  } else {
    refuse(request, command::unknown_subcommand_error(request.args));
  }
}

// CLIENT REPLY SKIP is about the one command behind it, whenever that is carried out.
void Session::end_skip() noexcept {
  if (reply_mode_ != ReplyMode::kSkipNext || is_put_off()) return;
  if (skip_is_new_) {
    skip_is_new_ = false;
    return;
  }
  reply_mode_ = ReplyMode::kOn;
  replies_.set_muted(false);
}

void Session::set_reply_mode(ReplyMode mode) noexcept {
  if (mode == ReplyMode::kSkipNext && reply_mode_ == ReplyMode::kOff) return;
  reply_mode_ = mode;
  skip_is_new_ = mode == ReplyMode::kSkipNext;
  replies_.set_muted(mode == ReplyMode::kOff);
}

void Session::apply(const Verdict& verdict, const Request& request, std::size_t next_hook) {
  switch (verdict.kind) {
    case Verdict::Kind::kContinue:
      return;
    case Verdict::Kind::kRefuse:
      refuse(request, verdict.text);
      return;
    case Verdict::Kind::kAnswer:
      answer(request, verdict.text);
      return;
    case Verdict::Kind::kRewrite: {
      const std::vector<std::string_view> args(verdict.args.begin(), verdict.args.end());
      ANTEROOM_CHECK(!args.empty());
      dispatch(Request{{.args = args}, services_.commands.find(args)}, next_hook);
      return;
    }
  }
}

void Session::refuse(const Request& request, std::string_view error) {
  services_.metrics.commands_refused.add();
  if (transaction_.is_open) transaction_.must_fail = true;  // by a hook: the server does not know of it
  std::string encoded;
  resp::append_error(encoded, error);
  append_reply(encoded);
  note_answered(request, Outcome::Source::kLocal, error);
}

void Session::fail_protocol() {
  services_.metrics.clients_closed_protocol_error.add();
  log::debug("protocol error", {{"client", peer_}, {"error", std::string(parser_.error())}});
  std::string encoded;
  resp::append_error(encoded, parser_.error());
  append_reply(encoded);
  close_after_replies();
}

bool Session::may_forward(const Request& request) {
  if (fills_outstanding_ == 0) return true;
  put_off(request, false);
  return false;
}

bool Session::may_change_link(const Request& request) {
  if (fills_outstanding_ == 0 && forwards_outstanding_ == 0) return true;
  put_off(request, true);
  return false;
}

void Session::wait_for(ReplyQueue::Slot slot) {
  if (!replies_.is_open(slot)) return;
  barrier_ = slot;
  pause(kBarrier);
}

// --- Replies ---

std::string_view Session::error_of(std::string_view reply) noexcept {
  if (!reply.starts_with('-')) return {};
  return reply.substr(1, reply.size() >= 3 ? reply.size() - 3 : 0);
}

void Session::append_reply(std::string_view encoded) {
  replies_.append_complete(encoded);
  schedule_flush();
}

void Session::answer(const Request& request, std::string_view encoded) {
  services_.metrics.commands_local.add();
  append_reply(encoded);
  note_answered(request, Outcome::Source::kLocal, error_of(encoded));
}

void Session::answer_error(const Request& request, std::string_view error) {
  std::string encoded;
  resp::append_error(encoded, error);
  answer(request, encoded);
}

ReplyQueue::Slot Session::expect_forwarded(const Request& request) {
  ++forwards_outstanding_;
  const ReplyQueue::Slot slot = replies_.reserve();
  note_started(slot, request, Outcome::Source::kForwarded);
  return slot;
}

void Session::note_forwarded_again(ReplyQueue::Slot slot) {
  ++forwards_outstanding_;
  if (!awaited_) return;
  if (const auto found = awaited_->started.find(slot); found != awaited_->started.end()) {
    found->second.source = Outcome::Source::kForwarded;
  }
}

void Session::on_forwarded_reply(ReplyQueue::Slot slot, std::string_view reply) {
  replies_.append(slot, reply);
  schedule_flush();
  --forwards_outstanding_;
  slot_ended(slot, error_of(reply));
}

void Session::on_forwarded_piece(ReplyQueue::Slot slot, std::string_view piece, bool last) {
  replies_.append(slot, piece);
  schedule_flush();
  if (!last) return;
  --forwards_outstanding_;
  slot_ended(slot, {});  // errors come whole
}

void Session::on_forwarded_error(ReplyQueue::Slot slot, std::string_view error) {
  note_error_in_transaction(slot);
  std::string encoded;
  resp::append_error(encoded, error);
  on_forwarded_reply(slot, encoded);
}

void Session::on_forwarded_cut() {
  log::debug("reply cut", {{"client", peer_}});
  close();
}

void Session::slot_ended(ReplyQueue::Slot slot, std::string_view error) {
  replies_.finish(slot);
  if (awaited_) {
    if (const auto found = awaited_->started.find(slot); found != awaited_->started.end()) {
      const Started& started = found->second;
      report({view(), started.command, started.source, services_.loop.now() - started.at}, error);
      awaited_->started.erase(found);
    }
  }
  if (put_off_is_due()) schedule_input();
  if (barrier_ == slot) {
    barrier_.reset();
    is_blocked_ = is_being_unblocked_ = false;
    resume(kBarrier);
  }
  if ((pauses_ & kPipelineFull) != 0 && replies_.pending() <= services_.limits.pipeline_depth / 2) {
    resume(kPipelineFull);
  }
  settle_pin();
}

// --- Outcomes ---

void Session::note_started(ReplyQueue::Slot slot, const Request& request, Outcome::Source source) {
  if (!services_.hooks.wants_outcomes()) return;
  const auto* facts = request.lookup.facts;
  awaited().started[slot] = {std::string(facts != nullptr ? facts->name : request.args[0]), source,
                             services_.loop.now()};
}

Session::Awaited& Session::awaited() {
  if (!awaited_) awaited_ = std::make_unique<Awaited>();
  return *awaited_;
}

void Session::report_answered(const Request& request, Outcome::Source source, std::string_view error) {
  const auto* facts = request.lookup.facts;
  report({view(), facts != nullptr ? facts->name : request.args[0], source, {}}, error);
}

void Session::report(const Outcome& outcome, std::string_view error) {
  if (error.empty()) {
    services_.hooks.on_reply(outcome);
  } else {
    services_.hooks.on_error(outcome, error);
  }
}

// --- State ---

void Session::set_library(std::string_view attribute, std::string_view value) {
  if (!library_) library_ = std::make_unique<Library>();
  (attribute == "lib-name" ? library_->name : library_->version) = value;
}

void Session::reset_state() {
  abandon_transaction();
  leave_feeds();
  lane_ = upstream::Lane(services_.default_db);
  become_initial_user();
  // A CLIENT REPLY SKIP before it is about the reply to RESET itself.
  if (reply_mode_ == ReplyMode::kOff) set_reply_mode(ReplyMode::kOn);
  is_spared_from_eviction_ = false;
  name_.clear();
}

}  // namespace anteroom::proxy
