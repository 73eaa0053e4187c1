// Faults that change every key at once: a new version of all groups, written in one command.
#include <algorithm>
#include <array>
#include <thread>

#include "support/faults.hpp"
#include "support/writer.hpp"

namespace anteroom::test {
namespace {

/// Holds `writing` of all groups. Writers try for one group only, so nobody waits in a circle.
class AllGroups {
 public:
  explicit AllGroups(KeySpace& keys) {
    for (KeySpace::Group& group : keys.groups()) locks_.emplace_back(group.writing);
  }

 private:
  std::vector<std::unique_lock<std::mutex>> locks_;
};

bool is_any_in_doubt(KeySpace& keys) {
  return std::ranges::any_of(keys.groups(), [](const KeySpace::Group& group) { return now() < group.in_doubt_until; });
}

}  // namespace

bool Faults::change_every_key(Path path, std::span<const std::string_view> command, bool is_deletion,
                              OperationLog& log) {
  KeySpace& keys = setting_.shared.keys;
  WriteRecord write{.path = path, .is_deletion = is_deletion, .start = now()};
  const std::vector<std::string_view> words{command.begin(), command.end()};
  write.outcome = outcome_of((path == kDirect ? server_ : front_).ask(words));
  write.end = now();
  for (KeySpace::Group& group : keys.groups()) {
    write.version = ++group.last;
    finish_write(write, keys, log);
    ++write.group;
  }
  return write.outcome != Outcome::kNotExecuted;
}

bool Faults::flush_directly(OperationLog& log) {
  constexpr std::array<std::string_view, 1> kFlush{"FLUSHALL"};
  const auto storm = 1 + random_() % 5;
  for (std::size_t i = 0; i < storm; ++i) {
    const AllGroups all{setting_.shared.keys};
    if (is_any_in_doubt(setting_.shared.keys)) return i > 0;
    if (!change_every_key(kDirect, kFlush, true, log)) return i > 0;
  }
  return true;
}

bool Faults::flush_through(OperationLog& log) {
  constexpr std::array<std::array<std::string_view, 1>, 2> kFlushes{{{"FLUSHALL"}, {"FLUSHDB"}}};
  const AllGroups all{setting_.shared.keys};
  if (is_any_in_doubt(setting_.shared.keys)) return false;
  return change_every_key(kFrontEnd, kFlushes[random_() % 2], true, log);
}

/// Writes the next version of every group into database 1, where no reader sees it.
bool Faults::prepare_other_database() {
  KeySpace& keys = setting_.shared.keys;
  if (other_database_.ask("SELECT", "1") != kOk) return false;
  for (const KeySpace::Group& group : keys.groups()) {
    for (const std::uint16_t key : group.keys) {
      const std::string& name = keys.name(key);
      if (other_database_.ask("SET", name, value_text(name, group.last + 1)) != kOk) return false;
    }
  }
  return true;
}

/// Twice, so that what was there before would be there again if versions did not differ. Before each swap readers get
/// the time to have their values cached again, which the preparations have invalidated: for the swap itself the server
/// announces nothing.
bool Faults::swap_databases(OperationLog& log) {
  constexpr std::array<std::string_view, 3> kSwap{"SWAPDB", "0", "1"};
  constexpr milliseconds kRefill{30};
  for (int i = 0; i < 2; ++i) {
    const AllGroups all{setting_.shared.keys};
    if (is_any_in_doubt(setting_.shared.keys) || !prepare_other_database()) return i > 0;
    std::this_thread::sleep_for(kRefill);
    if (!change_every_key(kFrontEnd, kSwap, false, log)) return i > 0;
  }
  return true;
}

}  // namespace anteroom::test
