#include "support/coherence_model.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

// The server's part of the model, its channels, and what may happen at all.
namespace anteroom::test {
namespace {

// A push is written at the modification, once per key that was read since the last one (O1).
void write(State& state, std::size_t first, std::size_t last) {
  const auto version = static_cast<Version>(1 + *std::max_element(state.version.begin(), state.version.end()));
  ANTEROOM_CHECK(version < kVersionsMax);
  state.written_at[version] = state.now;
  for (std::size_t key = first; key < last; ++key) {
    state.version[key] = version;
    if (std::exchange(state.is_tracked[key], std::uint8_t{0}) == 0) continue;
    state.stream.push({.item = Item::kPush, .detail = static_cast<std::uint8_t>(key), .versions = {}});
  }
}

void execute_command(State& state) {
  const Sent sent = state.commands.pop();
  switch (sent.command) {
    case Command::kNone:
      break;
    case Command::kGet:
      state.is_tracked[sent.detail] = 1;
      state.stream.push({.item = Item::kValue, .detail = sent.detail, .versions = {state.version[sent.detail]}});
      return;
    case Command::kMget:
      state.is_tracked = {1, 1};
      state.stream.push({.item = Item::kValues, .detail = 0, .versions = state.version});
      return;
    case Command::kTtl:
      state.stream.push({.item = Item::kTtl, .detail = 0, .versions = {}});
      return;
    case Command::kFence:
      state.stream.push({.item = Item::kFence, .detail = sent.detail, .versions = {}});
      return;
  }
  ANTEROOM_CHECK(false);
}

// Shared links keep order as well, so that what is not executed is at the end of the queue.
auto* first_not_executed(auto& queue) {
  return std::find_if(queue.begin(), queue.end(), [](const Forwarded& each) { return each.is_executed == 0; });
}

bool any_not_dropped(const State& state) {
  return std::any_of(state.writes.begin(), state.writes.end(),
                     [](const Forwarded& each) { return each.is_dropped == 0; });
}

bool is_quiet(const State& state) {
  return state.is_connected != 0 && state.commands.empty() && state.stream.empty() && state.writes.empty() &&
         state.reads.empty();
}

}  // namespace

bool is_enabled(const State& state, Action action, const Scope& scope) {
  switch (action) {
    case Action::kGetA:
      return state.gets < scope.gets;
    case Action::kGetB:
      return state.gets_b < scope.gets_b;
    case Action::kMget:
      return state.mgets < scope.mgets;
    case Action::kForwardWrite:
      return state.own_writes < scope.own_writes;
    case Action::kFirstDrop:
      return any_not_dropped(state);
    case Action::kAcknowledge:
      return !state.writes.empty() && state.writes.front().is_executed != 0;
    case Action::kForwardedValue:
      return !state.reads.empty() && state.reads.front().is_executed != 0;
    case Action::kDeliver:
      return !state.stream.empty();
    case Action::kLose:
      return state.is_connected != 0 && state.losses < scope.losses;
    case Action::kConnect:
      return state.is_connected == 0;
    case Action::kSendFence:
      return state.is_connected != 0 && state.fences < scope.fences;
    case Action::kServerCommand:
      return !state.commands.empty();
    case Action::kServerWrite:
      return first_not_executed(state.writes) != state.writes.end();
    case Action::kServerRead:
      return first_not_executed(state.reads) != state.reads.end();
    case Action::kForeignWrite:
      return state.foreign_writes < scope.foreign_writes;
    case Action::kTimePasses:
      return state.now < scope.time;
  }
  return false;
}

bool is_server_step(Action action) { return action >= Action::kSendFence; }

Violation server_step(State& state, Action action) {
  switch (action) {
    case Action::kSendFence:
      ++state.fences;
      state.commands.push({.command = Command::kFence, .detail = state.now});
      break;
    case Action::kServerCommand:
      execute_command(state);
      break;
    case Action::kServerWrite: {
      write(state, 0, 1);
      Forwarded& write = *first_not_executed(state.writes);
      write.is_executed = 1;
      write.version = state.version[0];
      break;
    }
    case Action::kServerRead: {
      Forwarded& read = *first_not_executed(state.reads);
      read.is_executed = 1;
      read.version = state.version[0];
      break;
    }
    case Action::kForeignWrite:
      ++state.foreign_writes;
      write(state, 0, kModelKeys);
      break;
    default:
      ANTEROOM_CHECK(false);
  }
  return settled(state);
}

Violation settled(const State& state) {
  if (state.checks_entries == 0 || !is_quiet(state)) return Violation::kNone;
  for (std::size_t key = 0; key < kModelKeys; ++key) {
    if (state.is_served[key] != 0 && state.entry[key] != state.version[key] + 1) return Violation::kOldForever;
  }
  return Violation::kNone;
}

}  // namespace anteroom::test
