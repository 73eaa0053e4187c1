#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "support/history.hpp"

namespace anteroom::test {

/// A state of a key on the server: what version `version` left, or (`is_expired`) what was left when that value's time
/// was over. States follow each other in this order and none comes back.
struct Position {
  Version version = kNoVersion;
  bool is_expired = false;
  auto operator<=>(const Position&) const = default;
};

/// From when at the earliest to when at the latest a state was the server's.
struct Validity {
  Instant from = 0;
  Instant to = kNever;
};

/// All writes of one group of keys, and what they say about the states of its keys. Version 0, a deletion, was there
/// before all others. One thread.
class VersionLog {
 public:
  explicit VersionLog(std::size_t paths);

  /// Versions come in ascending order; gaps are allowed. False when this write overlaps the one before, so that nobody
  /// knows their order.
  [[nodiscard]] bool add(const WriteRecord& write);

  /// Nothing when there was no such write.
  [[nodiscard]] const WriteRecord* find(Version version) const;
  /// The newest version whose acknowledgement came before `before`: on any path, or on `path`.
  [[nodiscard]] Version newest_acknowledged(Instant before) const;
  [[nodiscard]] Version newest_acknowledged(Path path, Instant before) const;
  /// The oldest acknowledged write after `version`; nothing when there is none.
  [[nodiscard]] const WriteRecord* next_acknowledged(Version version) const;

  /// The newest or, from `from` on, the oldest state without a value that the server may have been in by `until`.
  [[nodiscard]] std::optional<Position> newest_absence(Instant until) const;
  [[nodiscard]] std::optional<Position> oldest_absence(Position from, Instant until) const;

  /// Of the value of a version that exists.
  [[nodiscard]] Validity validity(Version version) const;

  /// At most `count` writes on either side of `version`.
  [[nodiscard]] std::vector<WriteRecord> around(Version version, std::size_t count) const;

 private:
  [[nodiscard]] Version last_ended_before(const std::vector<Version>& versions, Instant before) const;
  /// When the absence that a write brought (by deleting or by expiry) may have begun at the earliest.
  [[nodiscard]] static Instant absent_from(const WriteRecord& write);

  std::vector<WriteRecord> writes_;  // by version, without gaps: a version that was not used is kNotExecuted
  std::vector<Version> acknowledged_;
  std::vector<std::vector<Version>> acknowledged_by_path_;
  std::vector<Version> absences_;  // deletions and values that expire
};

}  // namespace anteroom::test
