#include "support/coherence_model.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"

namespace anteroom::test {
namespace {

// --- Properties ---

// The oldest version that had not been replaced, at the last moment that the bound of staleness still allows.
Version bounded(const State& state, std::size_t key) {
  Version oldest = 0;
  for (Version version = 1; version <= state.version[key]; ++version) {
    if (state.written_at[version] + kModelStaleness <= state.now) oldest = version;
  }
  return oldest;
}

// The oldest version that a read may get which starts now: no older than what any client knows, that is
// read-your-writes and monotonic reads over all clients, and as fresh as the bound of staleness asks.
Version required_of(const State& state, std::size_t key, bool is_bounded) {
  return is_bounded ? std::max(state.known[key], bounded(state, key)) : state.known[key];
}

Violation learn(State& state, std::size_t key, Version version, Version required) {
  if (version < required) return Violation::kOldRead;
  state.known[key] = std::max(state.known[key], version);
  return Violation::kNone;
}

// --- The proxy ---

void refresh_view(State& state, const CoherenceRig& rig) {
  for (std::size_t key = 0; key < kModelKeys; ++key) {
    const CoherenceRig::View view = rig.view(key, state.now);
    state.entry[key] = view.entry;
    state.is_served[key] = view.is_served ? 1 : 0;
    state.is_attached[key] = view.is_attached ? 1 : 0;
  }
}

Violation note_answered(State& state, const CoherenceRig::Read& read, std::size_t first, std::size_t last) {
  const bool is_bounded = read.is_hit || state.bounds_joins != 0;
  for (std::size_t key = first; key < last; ++key) {
    const Version required = required_of(state, key, is_bounded);
    const Violation violation = learn(state, key, read.versions[key], required);
    if (violation != Violation::kNone) return violation;
  }
  const bool has_lease = state.now < state.certified + kModelStaleness;
  return read.is_hit && state.checks_leases != 0 && !has_lease ? Violation::kNoLease : Violation::kNone;
}

Violation get(State& state, std::size_t key, CoherenceRig& rig) {
  ++(key == 0 ? state.gets : state.gets_b);
  const auto number = static_cast<std::uint8_t>(key);
  const Version required = required_of(state, key, state.bounds_joins != 0);
  const CoherenceRig::Read read = rig.get(key, state.now);
  switch (read.outcome) {
    case CoherenceRig::Outcome::kAnswered:
      return note_answered(state, read, key, key + 1);
    case CoherenceRig::Outcome::kFetches:
      ANTEROOM_CHECK(state.is_connected != 0);
      state.commands.push({.command = Command::kGet, .detail = number});
      state.commands.push({.command = Command::kTtl, .detail = 0});
      state.fetches.push({.key = number, .has_value = 0, .required = required});
      break;
    case CoherenceRig::Outcome::kJoins: {
      Fetch& fetch = state.fetches.begin()[read.fetch];
      ANTEROOM_CHECK(fetch.key == key && fetch.has_value == 0);
      fetch.required = std::max(fetch.required, required);
      break;
    }
    case CoherenceRig::Outcome::kForwarded:
      ANTEROOM_CHECK(key == 0);
      state.reads.push({.is_executed = 0, .is_dropped = 0, .version = 0, .required = required});
      break;
  }
  return Violation::kNone;
}

Violation mget(State& state, CoherenceRig& rig) {
  ++state.mgets;
  const CoherenceRig::Read read = rig.mget(state.now);
  if (read.outcome == CoherenceRig::Outcome::kAnswered) {
    if (read.versions[0] != read.versions[1]) return Violation::kTorn;
    return note_answered(state, read, 0, kModelKeys);
  }
  state.commands.push({.command = Command::kMget, .detail = 0});
  for (std::uint8_t key = 0; key < kModelKeys; ++key) {
    state.commands.push({.command = Command::kTtl, .detail = 0});
    state.fetches.push({.key = key, .has_value = 0, .required = state.known[key]});
  }
  return Violation::kNone;
}

Violation deliver_values(State& state, const Received& received, CoherenceRig& rig) {
  const std::size_t count = received.item == Item::kValues ? kModelKeys : 1;
  if (!rig.value({received.versions.data(), count})) return Violation::kNeverAnswers;
  if (count > 1 && received.versions[0] != received.versions[1]) return Violation::kTorn;
  Fetch* fetch = std::find_if(state.fetches.begin(), state.fetches.end(), [](const Fetch& f) { return !f.has_value; });
  for (std::size_t i = 0; i < count; ++i, ++fetch) {
    fetch->has_value = 1;
    const Violation violation = learn(state, fetch->key, received.versions[i], fetch->required);
    if (violation != Violation::kNone) return violation;
    fetch->required = 0;
  }
  return Violation::kNone;
}

Violation deliver(State& state, CoherenceRig& rig) {
  const Received received = state.stream.pop();
  switch (received.item) {
    case Item::kNone:
      break;
    case Item::kValue:
    case Item::kValues:
      return deliver_values(state, received, rig);
    case Item::kTtl:
      rig.ttl();
      state.fetches.pop();
      return Violation::kNone;
    case Item::kPush:
      rig.push(received.detail);
      return Violation::kNone;
    case Item::kFence:
      rig.fence(received.detail);
      state.certified = std::max(state.certified, received.detail);
      return Violation::kNone;
  }
  ANTEROOM_CHECK(false);
  return Violation::kNone;
}

void first_drop(State& state, CoherenceRig& rig) {
  rig.first_drop();
  const auto not_dropped = [](const Forwarded& write) { return write.is_dropped == 0; };
  std::find_if(state.writes.begin(), state.writes.end(), not_dropped)->is_dropped = 1;
}

void forward_write(State& state, CoherenceRig& rig) {
  ++state.own_writes;
  rig.forward_write();
  state.writes.push({});
  switch (state.first_drop) {
    case FirstDrop::kAtOnce:
      first_drop(state, rig);
      return;
    case FirstDrop::kLater:
      return;
    case FirstDrop::kNever:
      rig.guard_without_drop();
      state.writes.end()[-1].is_dropped = 1;
      return;
  }
}

void lose(State& state, CoherenceRig& rig) {
  ++state.losses;
  rig.lose();
  state.commands.clear();
  state.stream.clear();
  state.fetches.clear();
  state.is_tracked = {};
  state.is_connected = 0;
}

// A reader that joins a fill which is attached but not under way would wait for ever.
Violation all_attached_are_fetched(const State& state) {
  for (std::size_t key = 0; key < kModelKeys; ++key) {
    const bool is_fetched =
        std::any_of(state.fetches.begin(), state.fetches.end(), [key](const Fetch& fetch) { return fetch.key == key; });
    if (state.is_attached[key] != 0 && !is_fetched) return Violation::kNeverAnswers;
  }
  return Violation::kNone;
}

}  // namespace

Violation proxy_step(State& state, Action action, CoherenceRig& rig) {
  switch (action) {
    case Action::kGetA:
      return get(state, 0, rig);
    case Action::kGetB:
      return get(state, 1, rig);
    case Action::kMget:
      return mget(state, rig);
    case Action::kForwardWrite:
      forward_write(state, rig);
      return Violation::kNone;
    case Action::kFirstDrop:
      first_drop(state, rig);
      return Violation::kNone;
    case Action::kAcknowledge:
      while (state.writes.front().is_dropped == 0) first_drop(state, rig);
      rig.acknowledge();
      return learn(state, 0, state.writes.pop().version, 0);
    case Action::kForwardedValue: {
      const Forwarded read = state.reads.pop();
      rig.observe(read.version);
      return learn(state, 0, read.version, read.required);
    }
    case Action::kDeliver:
      return deliver(state, rig);
    case Action::kLose:
      lose(state, rig);
      return Violation::kNone;
    case Action::kConnect:
      rig.connect(state.now);
      state.is_connected = 1;
      state.certified = state.now;
      return Violation::kNone;
    case Action::kTimePasses:
      ++state.now;
      return Violation::kNone;
    default:
      break;
  }
  ANTEROOM_CHECK(false);
  return Violation::kNone;
}

Violation look_at(State& state, const CoherenceRig& rig) {
  refresh_view(state, rig);
  const Violation violation = all_attached_are_fetched(state);
  return violation != Violation::kNone ? violation : settled(state);
}

}  // namespace anteroom::test
