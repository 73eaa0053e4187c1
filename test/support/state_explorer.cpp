#include "support/state_explorer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/check.hpp"
#include "base/hash.hpp"
#include "support/coherence_model.hpp"

namespace anteroom::test {
namespace {

std::uint64_t hash_of(const State& state) {
  static const base::HashSeed seed = base::HashSeed::fixed(2);
  return base::hash64(seed, {reinterpret_cast<const char*>(&state), sizeof state});
}

}  // namespace

std::string_view name_of(Action action) {
  static constexpr std::array<std::string_view, kActions> kNames{"GET a",
                                                                 "GET b",
                                                                 "MGET a b",
                                                                 "own write is forwarded",
                                                                 "own write drops for the first time",
                                                                 "own write is acknowledged",
                                                                 "forwarded read is answered",
                                                                 "next of the stream is delivered",
                                                                 "fill connection is lost",
                                                                 "fill connection is tracked anew",
                                                                 "time passes",
                                                                 "fence is sent",
                                                                 "server executes next command",
                                                                 "server executes own write",
                                                                 "server executes forwarded read",
                                                                 "foreign write"};
  return kNames[static_cast<std::size_t>(action)];
}

std::string_view name_of(Violation violation) {
  static constexpr std::array<std::string_view, 6> kNames{"none",
                                                          "a read older than it may be",
                                                          "values of two moments",
                                                          "an old entry that nothing will correct",
                                                          "a hit without a lease",
                                                          "a reader that is not answered as it should be"};
  return kNames[static_cast<std::size_t>(violation)];
}

bool StateExplorer::Hashes::insert(std::uint64_t hash) {
  if (hash == 0) hash = 1;
  if (4 * (size_ + 1) > 3 * places_.size()) grow();
  const std::size_t mask = places_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    if (places_[i] == hash) return false;
    if (places_[i] != 0) continue;
    places_[i] = hash;
    ++size_;
    return true;
  }
}

void StateExplorer::Hashes::grow() {
  const std::vector<std::uint64_t> old = std::exchange(places_, std::vector<std::uint64_t>(2 * places_.size()));
  size_ = 0;
  for (const std::uint64_t hash : old) {
    if (hash != 0) insert(hash);
  }
}

StateExplorer::Result StateExplorer::run() {
  steps_.push_back({});
  next_.push_back({.state = start(), .step = 0});
  seen_.insert(hash_of(start()));
  while (!next_.empty() && result_.violation == Violation::kNone) {
    for (const Reached& reached : std::exchange(next_, {})) {
      expand(reached);
      if (result_.violation != Violation::kNone) break;
    }
  }
  result_.states = steps_.size();
  return result_;
}

void StateExplorer::expand(const Reached& reached) {
  path_ = path_to(reached.step);
  for (std::size_t i = 0; i < kActions; ++i) {
    const auto action = static_cast<Action>(i);
    if (!is_enabled(reached.state, action, scope_)) continue;
    State state;
    result_.violation = try_step(reached, action, state);
    if (result_.violation != Violation::kNone) {
      result_.trace = trace(reached, action);
      return;
    }
    if (!seen_.insert(hash_of(state))) continue;
    next_.push_back({.state = state, .step = static_cast<std::uint32_t>(steps_.size())});
    steps_.push_back({.before = reached.step, .action = action});
  }
}

Violation StateExplorer::try_step(const Reached& reached, Action action, State& state) {
  if (is_server_step(action)) {
    state = reached.state;
    return server_step(state, action);
  }
  ++result_.replays;
  rig_.begin();
  state = replay(path_);
  // Else the way was not the whole state, and states would be taken for each other that are not the same.
  ANTEROOM_CHECK(std::memcmp(&state, &reached.state, sizeof state) == 0);
  Violation violation = proxy_step(state, action, rig_);
  if (violation == Violation::kNone) violation = look_at(state, rig_);
  rig_.end();
  return violation;
}

std::vector<Action> StateExplorer::path_to(std::uint32_t step) const {
  std::vector<Action> path;
  for (; step != 0; step = steps_[step].before) path.push_back(steps_[step].action);
  std::reverse(path.begin(), path.end());
  return path;
}

State StateExplorer::start() const {
  State state;
  state.checks_leases = scope_.checks_leases ? 1 : 0;
  state.checks_entries = scope_.checks_entries ? 1 : 0;
  state.bounds_joins = scope_.bounds_joins ? 1 : 0;
  state.first_drop = scope_.first_drop;
  return state;
}

State StateExplorer::replay(const std::vector<Action>& path) {
  State state = start();
  for (const Action action : path) {
    if (!is_server_step(action)) {
      ANTEROOM_CHECK(proxy_step(state, action, rig_) == Violation::kNone);
    } else {
      std::ignore = server_step(state, action);  // judged when it was tried: what it sees of the proxy is old here
    }
  }
  ANTEROOM_CHECK(look_at(state, rig_) == Violation::kNone);
  return state;
}

std::string StateExplorer::describe(const State& state) const {
  std::string text;
  const std::size_t keys = scope_.mgets > 0 ? kModelKeys : 1;
  for (std::size_t key = 0; key < keys; ++key) {
    text += std::string(key == 0 ? " | a" : " | b") + ": server v" + std::to_string(state.version[key]);
    if (state.entry[key] != 0) text += ", entry v" + std::to_string(state.entry[key] - 1);
    if (state.is_attached[key] != 0) text += ", fill attached";
    text += ", known v" + std::to_string(state.known[key]);
  }
  if (scope_.time > 0) text += " | time " + std::to_string(state.now);
  return text;
}

std::string StateExplorer::trace(const Reached& reached, Action last) {
  std::string text;
  std::vector<Action> done;
  for (const Action action : path_to(reached.step)) {
    done.push_back(action);
    rig_.begin();
    text += std::string(name_of(action)) + describe(replay(done)) + "\n";
    rig_.end();
  }
  return text + std::string(name_of(last)) + " -> " + std::string(name_of(result_.violation)) + "\n";
}

}  // namespace anteroom::test
