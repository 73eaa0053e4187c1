#pragma once

#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/cache_backend.hpp"
#include "proxy/fill_table.hpp"

namespace anteroom::test {

/// A CacheBackend that answers when the test says so. Fetches are numbered from 0 in the order of their calls.
class FakeBackend final : public backend::CacheBackend {
 public:
  struct Fetch {
    backend::FetchId id{};
    int db = 0;
    std::string key;
    std::string command;    // as it would be sent; empty: GET
    std::size_t group = 0;  // fetches of one fetch_group() have the same number, not 0
  };

  void set_events(backend::FetchEvents& events) { events_ = &events; }

  void fetch(backend::FetchId id, const backend::FetchRequest& request) override {
    fetches.push_back({id, request.db, std::string(request.key), std::string(request.command)});
  }
  void fetch_group(std::span<const backend::FetchId> ids, int db, std::span<const std::string_view> keys) override {
    ++groups_;
    for (std::size_t i = 0; i < ids.size(); ++i) fetches.push_back({ids[i], db, std::string(keys[i]), "", groups_});
  }
  void fence() override { ++fences; }
  [[nodiscard]] bool is_congested() const noexcept override { return congested; }
  void close() override {}

  bool congested = false;
  std::size_t fences = 0;

  /// The reply of GET: a string, given without its RESP frame.
  void value(std::size_t fetch, std::string_view value) {
    const std::string header = "$" + std::to_string(value.size()) + "\r\n";
    tell(fetch, std::make_shared<std::string>(header + std::string(value) + "\r\n"));
  }
  /// The reply of another command, with its frame.
  void reply(std::size_t fetch, std::string_view encoded) { tell(fetch, std::make_shared<std::string>(encoded)); }
  void nil(std::size_t fetch) { tell(fetch, nullptr); }
  void ttl(std::size_t fetch, std::int64_t pttl_ms) { events_->on_ttl(fetches.at(fetch).id, pttl_ms); }
  void server_error(std::size_t fetch, std::string_view error) {
    events_->on_server_error(fetches.at(fetch).id, error);
  }
  void too_large(std::size_t fetch) { events_->on_too_large(fetches.at(fetch).id); }
  void fail(std::size_t fetch, const base::StagedError& error) { events_->on_failed(fetches.at(fetch).id, error); }
  /// The values of these come next.
  void due(std::initializer_list<std::size_t> next) {
    std::vector<backend::FetchId> ids;
    for (const std::size_t fetch : next) ids.push_back(fetches.at(fetch).id);
    events_->on_due(ids);
  }
  /// A key without expiry.
  void answer(std::size_t fetch, std::string_view text) {
    value(fetch, text);
    ttl(fetch, -1);
  }

  std::vector<Fetch> fetches;

 private:
  void tell(std::size_t fetch, base::SharedBytes reply) {
    const backend::FetchId id = fetches.at(fetch).id;
    events_->on_due({&id, 1});
    events_->on_value(id, std::move(reply));
  }

  backend::FetchEvents* events_ = nullptr;
  std::size_t groups_ = 0;
};

/// The fill tables of several workers in one thread: messages wait until the test delivers them.
class FakeMesh final : public proxy::FillMesh {
 public:
  void add(proxy::FillTable& table) { tables_[table.owner()] = &table; }

  void post(cache::OwnerId worker, std::move_only_function<void(proxy::FillTable&)> task) override {
    messages_.emplace_back(worker, std::move(task));
  }
  [[nodiscard]] std::size_t waiting() const { return messages_.size(); }
  /// The oldest message arrives.
  void deliver_one() {
    auto [worker, task] = std::move(messages_.front());
    messages_.pop_front();
    task(*tables_.at(worker));
  }
  /// All messages arrive, and those that they cause.
  void deliver() {
    while (!messages_.empty()) deliver_one();
  }

 private:
  std::map<cache::OwnerId, proxy::FillTable*> tables_;
  std::deque<std::pair<cache::OwnerId, std::move_only_function<void(proxy::FillTable&)>>> messages_;
};

}  // namespace anteroom::test
