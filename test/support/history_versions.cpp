#include "support/history_versions.hpp"

#include <algorithm>
#include <iterator>

namespace anteroom::test {
namespace {

// The server counts in whole milliseconds of another clock, and takes the time once for several commands.
constexpr Instant kExpirySlack = 10 * kMillisecond;

}  // namespace

VersionLog::VersionLog(std::size_t paths) : acknowledged_by_path_(paths) {
  writes_.push_back({.is_deletion = true});
  absences_.push_back(kNoVersion);
}

bool VersionLog::add(const WriteRecord& write) {
  const WriteRecord& last = writes_.back();
  const bool is_in_order = write.version >= writes_.size() && write.start >= last.end;
  if (write.version < writes_.size()) return false;
  while (writes_.size() < write.version) {
    writes_.push_back({.group = write.group,
                       .outcome = Outcome::kNotExecuted,
                       .version = static_cast<Version>(writes_.size()),
                       .start = kNever,
                       .end = write.start});
  }
  writes_.push_back(write);
  if (write.outcome == Outcome::kAcknowledged) {
    acknowledged_.push_back(write.version);
    acknowledged_by_path_.at(write.path).push_back(write.version);
  }
  const bool leaves_nothing = write.is_deletion || write.ttl_ms != 0;
  if (leaves_nothing && write.outcome != Outcome::kNotExecuted) absences_.push_back(write.version);
  return is_in_order;
}

const WriteRecord* VersionLog::find(Version version) const {
  return version != kNoVersion && version < writes_.size() ? &writes_[version] : nullptr;
}

Version VersionLog::last_ended_before(const std::vector<Version>& versions, Instant before) const {
  const auto end_of = [this](Version version) { return writes_[version].end; };
  const auto after = std::ranges::lower_bound(versions, before, {}, end_of);
  return after == versions.begin() ? kNoVersion : *std::prev(after);
}

Version VersionLog::newest_acknowledged(Instant before) const { return last_ended_before(acknowledged_, before); }

Version VersionLog::newest_acknowledged(Path path, Instant before) const {
  return last_ended_before(acknowledged_by_path_.at(path), before);
}

const WriteRecord* VersionLog::next_acknowledged(Version version) const {
  const auto next = std::ranges::upper_bound(acknowledged_, version);
  return next == acknowledged_.end() ? nullptr : &writes_[*next];
}

Instant VersionLog::absent_from(const WriteRecord& write) {
  return write.is_deletion ? write.start : write.start + write.ttl_ms * kMillisecond - kExpirySlack;
}

std::optional<Position> VersionLog::newest_absence(Instant until) const {
  const auto start_of = [this](Version version) { return writes_[version].start; };
  auto at = std::ranges::upper_bound(absences_, until, {}, start_of);
  while (at != absences_.begin()) {
    const WriteRecord& write = writes_[*--at];
    if (absent_from(write) <= until) return Position{write.version, !write.is_deletion};
  }
  return std::nullopt;
}

std::optional<Position> VersionLog::oldest_absence(Position from, Instant until) const {
  for (auto at = std::ranges::lower_bound(absences_, from.version); at != absences_.end(); ++at) {
    const WriteRecord& write = writes_[*at];
    if (write.start > until) break;
    const Position position{*at, !write.is_deletion};
    if (position >= from && absent_from(write) <= until) return position;
  }
  return std::nullopt;
}

Validity VersionLog::validity(Version version) const {
  const WriteRecord& write = writes_.at(version);
  Validity validity{.from = write.start};
  if (const WriteRecord* next = next_acknowledged(version)) validity.to = next->end;
  if (write.ttl_ms != 0 && write.outcome == Outcome::kAcknowledged) {
    validity.to = std::min(validity.to, write.end + write.ttl_ms * kMillisecond + kExpirySlack);
  }
  return validity;
}

std::vector<WriteRecord> VersionLog::around(Version version, std::size_t count) const {
  const std::size_t middle = std::min<std::size_t>(version, writes_.size() - 1);
  const std::size_t first = middle > count ? middle - count : 1;
  const std::size_t last = std::min(writes_.size(), middle + count + 1);
  if (first >= last) return {};
  return {writes_.begin() + static_cast<std::ptrdiff_t>(first), writes_.begin() + static_cast<std::ptrdiff_t>(last)};
}

}  // namespace anteroom::test
