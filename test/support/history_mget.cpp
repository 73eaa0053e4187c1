// The part of HistoryChecker that judges what the values of one MGET say together.
#include <algorithm>

#include "support/history_checker.hpp"

namespace anteroom::test {
namespace {

std::string name_of(const ReadRecord& read) {
  const std::string got = read.version == kNoVersion ? "nil" : "version " + std::to_string(read.version);
  return "key " + std::to_string(read.key) + " has " + got;
}

}  // namespace

void HistoryChecker::check_mgets() {
  std::vector<ReadRecord> reads;
  std::ranges::copy_if(reads_, std::back_inserter(reads), [](const ReadRecord& read) { return read.mget != 0; });
  std::ranges::sort(reads, {}, &ReadRecord::mget);
  for (auto first = reads.begin(); first != reads.end();) {
    const auto last = std::ranges::upper_bound(first, reads.end(), first->mget, {}, &ReadRecord::mget);
    const std::span<const ReadRecord> mget{first, last};
    check_groups(mget);
    check_snapshot(mget);
    first = last;
  }
}

/// All keys of a group are always changed together, and values of groups with several keys do not expire.
void HistoryChecker::check_groups(std::span<const ReadRecord> reads) {
  std::vector<const ReadRecord*> by_group;
  for (const ReadRecord& read : reads) by_group.push_back(&read);
  std::ranges::sort(by_group, {}, [this](const ReadRecord* read) { return group_of(*read); });
  for (std::size_t i = 1; i < by_group.size(); ++i) {
    const ReadRecord& one = *by_group[i - 1];
    const ReadRecord& other = *by_group[i];
    if (group_of(one) != group_of(other) || one.key == other.key || one.version == other.version) continue;
    violate(Rule::kTornMget, one, name_of(one) + ", but " + name_of(other) + " of the same group");
    return;
  }
}

/// There must be a moment at which all values may have been current. A nil, which may stand for several states, is
/// left out.
void HistoryChecker::check_snapshot(std::span<const ReadRecord> reads) {
  const ReadRecord* last_to_begin = nullptr;
  const ReadRecord* first_to_end = nullptr;
  Validity common{.from = INT64_MIN};
  for (const ReadRecord& read : reads) {
    const WriteRecord* write = log_of(read).find(read.version);
    if (write == nullptr || write->outcome == Outcome::kNotExecuted) continue;
    const Validity validity = log_of(read).validity(read.version);
    if (last_to_begin == nullptr || validity.from > common.from) last_to_begin = &read;
    if (first_to_end == nullptr || validity.to < common.to) first_to_end = &read;
    common.from = std::max(common.from, validity.from);
    common.to = std::min(common.to, validity.to);
  }
  if (common.from <= common.to) return;
  violate(Rule::kTornMget, *first_to_end,
          name_of(*first_to_end) + ", which was over " + std::to_string((common.from - common.to) / 1'000) +
              " us before " + name_of(*last_to_begin) + " began to be written");
}

}  // namespace anteroom::test
