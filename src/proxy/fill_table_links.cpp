// The second way of a FillTable: what its connection cannot bring is read on a link.
#include <algorithm>
#include <memory>
#include <utility>

#include "proxy/fill_table.hpp"
#include "resp/value.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {

void FillTable::leave_connection() {
  std::vector<cache::FillId> ids;
  ids.reserve(fills_.size());
  for (const auto& [id, fill] : fills_) ids.push_back(id);
  for (const cache::FillId id : ids) move_to_link(id);
}

// What is fetched together moves together. The fill stays, abandoned, until the backend has said its last word on it.
void FillTable::move_to_link(cache::FillId id) {
  const std::shared_ptr<const std::vector<cache::FillId>> group = fills_.at(id)->group;
  std::vector<LinkPart> parts;
  for (const cache::FillId each : group ? std::span(*group) : std::span(&id, 1)) {
    const auto found = fills_.find(each);
    if (found == fills_.end() || found->second->is_abandoned || found->second->reply) continue;
    Fill& fill = *found.value();
    fill.is_abandoned = true;
    context_.cache.abandon(fill.target.query(), each);
    context_.metrics.fill_errors.add();
    parts.push_back({each, fill.target, std::exchange(fill.waiters, {}), std::exchange(fill.remote_waiters, {})});
  }
  if (parts.size() == 1 && parts[0].waiters.size() == 1 && parts[0].workers.empty()) {
    // Who waits alone can read for himself, and what comes need not be collected.
    context_.metrics.fills_repeated.add();
    leave_to_readers(parts[0]);
  } else if (std::ranges::any_of(parts, &LinkPart::is_awaited)) {
    read_on_link(std::move(parts));
  }
}

void FillTable::read_alone(const CacheableRead& read, Waiter waiter) {
  std::vector<LinkPart> parts;
  parts.push_back({0, Target(read), {waiter}, {}});
  read_on_link(std::move(parts));
}

void FillTable::read_on_link(std::vector<LinkPart> parts) {
  const std::string_view name = parts.size() == 1 ? std::string_view(parts[0].target.request) : std::string_view();
  const auto protocol = is_resp3_result(name) ? resp::Protocol::kResp3 : resp::Protocol::kResp2;
  std::string command(command_of_result(name));
  if (command.empty()) {
    std::vector<std::string_view> args{parts.size() == 1 ? "GET" : "MGET"};
    args.reserve(1 + parts.size());
    for (const LinkPart& part : parts) args.push_back(part.target.key);
    resp::append_command(command, args);
  }
  std::vector<std::uint64_t> hashes;
  hashes.reserve(parts.size());
  for (const LinkPart& part : parts) hashes.push_back(part.target.key_hash);
  const upstream::Lane lane(parts[0].target.db, protocol);
  context_.metrics.fills_repeated.add();
  context_.link_reads.read_on_link(
      lane, command, std::move(hashes),
      [this, parts = std::move(parts)](const auto& reply) { on_link_reply(parts, reply); });
}

void FillTable::on_link_reply(const std::vector<LinkPart>& parts, const base::SharedBytes& reply) {
  if (!reply) {
    // Of several, nobody knows which is so large.
    const bool is_known = parts.size() == 1;
    if (is_known) context_.cache.refuse_large(parts[0].target.query(), parts[0].id, context_.loop.now());
    for (const LinkPart& part : parts) leave_to_readers(part);
    return;
  }
  const std::vector<base::SharedBytes> replies = parts.size() == 1 ? std::vector{reply} : parts_of(reply, parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    answer(parts[i].waiters, replies[i]);
    answer_workers(parts[i].id, parts[i].workers, replies[i]);
  }
}

// The elements of a reply to MGET of `count` keys; `count` times the error, if it is one.
std::vector<base::SharedBytes> FillTable::parts_of(const base::SharedBytes& reply, std::size_t count) {
  if (reply->starts_with('-')) return {count, reply};
  const auto value = resp::parse_value(*reply);
  if (!value || value->items.size() != count)
    return {count, error_reply("ERR anteroom: MGET was answered with another number of values")};
  std::vector<base::SharedBytes> parts;
  parts.reserve(count);
  for (const resp::Value& item : value->items) {
    auto part = std::make_shared<std::string>();
    resp::encode(item, *part);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace anteroom::proxy
