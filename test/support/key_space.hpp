#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/history.hpp"

namespace anteroom::test {

using Random = std::mt19937_64;

/// `count` numbers from 0, of which low ones are drawn more often: number n with weight 1 / (n + 1).
class ZipfNumbers {
 public:
  explicit ZipfNumbers(std::size_t count);
  [[nodiscard]] std::size_t draw(Random& random) const;

 private:
  std::vector<double> weight_up_to_;
};

/// The keys of a history in their groups, and who may write them when. Any thread.
class KeySpace {
 public:
  struct Options {
    std::size_t single_keys = 48;  ///< each a group of its own
    std::size_t groups = 4;
    std::size_t keys_per_group = 4;
  };
  struct Group {
    std::vector<std::uint16_t> keys;
    std::mutex writing;          ///< held by whoever writes the group, from the start of the request to its outcome
    Version last = kNoVersion;   ///< guarded by `writing`, as is the next
    Instant in_doubt_until = 0;  ///< a write of unknown outcome may still run
    [[nodiscard]] bool is_single() const { return keys.size() == 1; }
  };

  explicit KeySpace(const Options& options);

  [[nodiscard]] std::size_t key_count() const { return names_.size(); }
  [[nodiscard]] const std::string& name(std::uint16_t key) const { return names_.at(key); }
  [[nodiscard]] std::deque<Group>& groups() { return groups_; }
  [[nodiscard]] Group& group(std::uint16_t number) { return groups_.at(number); }
  [[nodiscard]] const std::vector<std::uint16_t>& group_of_key() const { return group_of_key_; }
  [[nodiscard]] std::uint16_t draw_key(Random& random) const;

  /// A write whose outcome is not known can run no later than this; called by faults that hold bytes or servers up
  /// before they do so.
  void expect_delays_until(Instant time);
  /// Until when a write that has just failed may still run.
  [[nodiscard]] Instant doubt_ends() const;

 private:
  std::vector<std::string> names_;
  std::vector<std::uint16_t> group_of_key_;
  std::deque<Group> groups_;
  std::vector<std::uint16_t> by_popularity_;
  ZipfNumbers popularity_;
  std::atomic<Instant> delays_until_{0};
};

/// "<key>:<version>:<padding>"; key and version decide about every byte, so that no other value looks alike. Some are
/// so long that a reply comes in several pieces.
[[nodiscard]] std::string value_text(std::string_view key, Version version);

/// The version in a value of `key`; nothing when these bytes were never written to it.
[[nodiscard]] std::optional<Version> version_in(std::string_view value, std::string_view key);

}  // namespace anteroom::test
