// What a Session does on a link of its own: transactions and blocking commands.
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/parse_int.hpp"
#include "command/table.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/session.hpp"
#include "resp/value.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kExecAbort = "EXECABORT Transaction discarded because of previous errors.";
constexpr std::string_view kDiscard = "*1\r\n$7\r\nDISCARD\r\n";
constexpr std::string_view kHello2 = "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n";
constexpr std::string_view kHello3 = "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
constexpr std::string_view kUnwatch = "*1\r\n$7\r\nUNWATCH\r\n";
constexpr auto kUnheard = [](const base::SharedBytes&) {};

// The db that a transaction has ended in, from the replies to the SELECTs in it. Nothing if it did not run.
std::optional<int> db_after(const Transaction& transaction, std::string_view reply) {
  const auto value = resp::parse_value(reply);
  if (!value || value->type != resp::Value::Type::kArray) return std::nullopt;
  std::optional<int> db;
  for (const auto& [number, selected] : transaction.selects) {
    const bool was_selected = number < value->items.size() && value->items[number].text == "OK";
    if (was_selected) db = selected;
  }
  return db;
}

}  // namespace

upstream::Link* Session::pinned_link() const noexcept { return pinned_ != nullptr ? &pinned_->link : nullptr; }

// --- Taking a link and giving it back ---

bool Session::pin(const Request& request) {
  if (pinned_ != nullptr) return true;
  if (std::exchange(pin_in_vain_, false)) {
    answer_error(request, base::StagedError::no_link(services_.pinned.wait_max()).reply());
    return false;
  }
  if (!may_change_link(request)) return false;
  pinned_ = services_.pinned.take(services_.forwarder.link_lane(lane_));
  if (pinned_ != nullptr) return true;

  upstream::PinnedPool::Ticket ticket{};
  const auto granted = [&sessions = services_.sessions, &pool = services_.pinned,
                        id = id_](upstream::PinnedLink* link) {
    if (Session* session = sessions.find(id)) {
      session->on_pin(link);
    } else if (link != nullptr) {
      pool.release(*link, true);
    }
  };
  if (!services_.pinned.wait(services_.forwarder.link_lane(lane_), granted, ticket)) {
    answer_error(request, base::StagedError::overloaded().reply());
    return false;
  }
  put_off(request, false);
  pin_ticket_ = ticket;
  return false;
}

void Session::on_pin(upstream::PinnedLink* link) {
  pin_ticket_.reset();
  pinned_ = link;
  pin_in_vain_ = link == nullptr;
  schedule_input();
}

void Session::settle_pin() {
  if (pinned_ == nullptr) return;
  if (!pinned_->is_alive()) {
    lose_pin();
  } else if (forwards_outstanding_ == 0 && link_states_ == 0 && (!transaction_.is_active() || transaction_.is_lost)) {
    unpin(true);
  }
}

// A link whose db or protocol has been changed would not be what its next user expects.
void Session::unpin(bool reusable) {
  end_tracking();
  upstream::PinnedLink& link = *std::exchange(pinned_, nullptr);
  const bool is_spoiled = std::exchange(pin_is_spoiled_, false);
  if (std::exchange(link_states_, 0) != 0) reusable = false;
  services_.pinned.release(link, reusable && !is_spoiled && link.lane == services_.forwarder.link_lane(lane_));
}

// What it watches is watched by its own link, which therefore has to follow.
void Session::set_protocol(resp::Protocol protocol) {
  if (protocol == lane_.protocol) return;
  lane_.protocol = protocol;
  if (pinned_ == nullptr || pinned_->lane == services_.forwarder.link_lane(lane_)) return;
  pin_is_spoiled_ = true;
  services_.forwarder.send_own(pinned_->link, protocol == resp::Protocol::kResp3 ? kHello3 : kHello2, kUnheard);
}

void Session::lose_pin() {
  const bool has_lost_state = link_states_ != 0;
  unpin(false);
  if (has_lost_state) {
    // A client whose keys nobody watches any more must hear of it, and there is one way that every client understands.
    close_after_replies();
  } else if (transaction_.is_open && !transaction_.is_confirmed) {
    // MULTI was answered with an error. A client that goes on all the same must not be let, and one that does not would
    // never end what it believes not to have begun: both understand the end of the connection.
    transaction_ = {};
    close_after_replies();
  } else if (transaction_.is_active()) {
    transaction_.is_lost = true;
  }
}

void Session::block_on(ReplyQueue::Slot slot) {
  if (!replies_.is_open(slot)) return;
  is_blocked_ = true;
  wait_for(slot);
  update_reading();
}

bool Session::unblock(bool with_error) {
  if (!is_blocked_ || pinned_ == nullptr || pinned_->link.upstream_client_id().empty()) return false;
  if (std::exchange(is_being_unblocked_, true)) return false;
  std::string command;
  resp::append_command(command, std::array<std::string_view, 4>{"CLIENT", "UNBLOCK", pinned_->link.upstream_client_id(),
                                                                with_error ? "ERROR" : "TIMEOUT"});
  services_.forwarder.send_own(lane_, command, kUnheard);
  return true;
}

// The client goes, or RESETs: what it has begun must not become part of what the link's next user does.
void Session::abandon_transaction() {
  const Transaction transaction = std::exchange(transaction_, {});
  if (pin_ticket_) services_.pinned.cancel(*std::exchange(pin_ticket_, std::nullopt));
  if (pinned_ == nullptr) return;
  if (forwards_outstanding_ > 0) {
    unpin(false);  // a blocking command ends with its connection, and only so
    return;
  }
  if (transaction.is_open) {
    services_.forwarder.send_own(pinned_->link, kDiscard, kUnheard);
  } else if (transaction.is_watching) {
    services_.forwarder.send_own(pinned_->link, kUnwatch, kUnheard);
  }
  unpin(true);
}

// --- Transactions ---

std::uint64_t Session::open_transaction() noexcept {
  transaction_.is_open = true;
  transaction_.number = ++transactions_;
  transaction_.slot = replies_.next();
  return transaction_.number;
}

void Session::on_multi_reply(std::uint64_t number, std::string_view reply) noexcept {
  if (!transaction_.is_open || transaction_.number != number) return;
  transaction_.is_confirmed = reply == kOk;
  // The server has begun nothing: what was sent since was carried out as it came.
  if (!transaction_.is_confirmed) transaction_ = {.is_watching = transaction_.is_watching};
}

void Session::note_error_in_transaction(ReplyQueue::Slot slot) {
  if (!transaction_.is_open || slot < transaction_.slot) return;
  transaction_.must_fail = true;
  // To the client there is no transaction, and the server has begun one or may do so yet: what was sent next would be
  // queued without its knowledge, or carried out although it believes it queued.
  if (slot == transaction_.slot) close_after_replies();
}

// Between MULTI and EXEC the server judges everything, unknown commands too: what it does not see cannot make EXEC
// fail.
void Session::dispatch_in_transaction(const Request& request) {
  const command::Lookup& lookup = request.lookup;
  const std::string_view name = lookup.facts != nullptr ? lookup.facts->name : std::string_view{};
  const bool is_found = lookup.match == command::Match::kFound;
  if (is_found && (name == "quit" || name == "reset")) {
    services_.handlers.find (*lookup.facts)(*this, request);
  } else if (is_found && name == "exec") {
    exec(request);
  } else if (is_found && name == "discard") {
    const bool is_lost = transaction_.is_lost;
    transaction_ = {};
    is_lost ? answer(request, kOk) : services_.forwarder.forward(*this, request);
  } else if (transaction_.is_lost) {
    answer_error(request, base::StagedError::connection_lost(base::Executed::kNo).reply());
  } else if (is_found && !may_be_queued(*lookup.facts)) {
    refuse_in_transaction(request);
  } else if (!is_found && changes_its_connection(*this, request)) {
    refuse_unlisted(*this, request);
  } else {
    if (is_found && name == "select") {
      // Whatever it names, the server will tell.
      const auto db = base::parse_int(request.args[1], 0, std::numeric_limits<int>::max());
      if (db) transaction_.selects.emplace_back(transaction_.queued, static_cast<int>(*db));
    }
    if (name != "multi" && name != "watch") ++transaction_.queued;
    transaction_.may_replicate = transaction_.may_replicate || may_replicate(request);
    services_.forwarder.note_queued(request, transaction_);
    services_.forwarder.forward(*this, request);
  }
}

// What would be about the link and not about the session, or would turn the link into something else.
bool Session::may_be_queued(const command::Facts& facts) noexcept {
  switch (facts.command_class) {
    case command::Class::kSubscription:
    case command::Class::kStream:
      return false;
    case command::Class::kSession:
      return facts.name == "ping" || facts.name == "echo" || facts.name == "select";
    default:
      return !facts.name.starts_with("anteroom");
  }
}

void Session::refuse_in_transaction(const Request& request) {
  transaction_.must_fail = true;
  refuse(request, "ERR anteroom: '" + std::string(request.lookup.facts->name) +
                      "' inside MULTI is not offered (stage=policy executed=no)");
}

void Session::exec(const Request& request) {
  const Transaction transaction = std::exchange(transaction_, {});
  if (transaction.is_lost) {
    answer_error(request, kExecAbort);
    return;
  }
  if (transaction.must_fail) {
    services_.forwarder.send_own(*pinned_link(), kDiscard, kUnheard);
    answer_error(request, kExecAbort);
    settle_pin();
    return;
  }
  if (transaction.selects.empty()) {
    services_.forwarder.forward_exec(*this, request, transaction, nullptr);
    return;
  }
  pin_is_spoiled_ = true;
  const auto slot = services_.forwarder.forward_exec(
      *this, request, transaction, [transaction](Session& session, ReplyQueue::Slot own, std::string&& reply) {
        if (const auto db = db_after(transaction, reply)) session.set_db(*db);
        session.on_forwarded_reply(own, reply);
      });
  wait_for(slot);  // what follows is for another db
}

}  // namespace anteroom::proxy
