// The part of HistoryChecker that tells a person what happened around a violation.
#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "support/history_checker.hpp"

namespace anteroom::test {
namespace {

constexpr std::size_t kWritesAround = 6;
constexpr std::ptrdiff_t kReadsAround = 8;
constexpr std::size_t kNewerReads = 3;

}  // namespace

std::string HistoryChecker::trace(const ReadRecord& read) const {
  std::vector<std::pair<Instant, std::string>> lines;
  const auto add = [&](const auto& record) { lines.emplace_back(record.start, describe(record, read.start)); };
  const VersionLog& log = log_of(read);
  if (read.version != kNoVersion) std::ranges::for_each(log.around(read.version, kWritesAround), add);
  std::ranges::for_each(log.around(log.newest_acknowledged(read.start), kWritesAround), add);
  std::ranges::for_each(reads_around(read), add);
  std::ranges::for_each(newer_reads_before(read), add);
  std::ranges::sort(lines);
  lines.erase(std::ranges::unique(lines).begin(), lines.end());
  std::string text;
  for (const auto& [start, line] : lines) text += "    " + line + "\n";
  return text;
}

std::vector<ReadRecord> HistoryChecker::reads_around(const ReadRecord& read) const {
  std::vector<ReadRecord> of_key;
  std::ranges::copy_if(reads_, std::back_inserter(of_key),
                       [&read](const ReadRecord& other) { return other.key == read.key && other.path == read.path; });
  const auto at = std::ranges::lower_bound(of_key, read.start, {}, &ReadRecord::start) - of_key.begin();
  const auto first = std::max(std::ptrdiff_t{0}, at - kReadsAround);
  const auto last = std::min(std::ssize(of_key), at + kReadsAround);
  return {of_key.begin() + first, of_key.begin() + last};
}

/// The last ones of this round that had ended with a newer version when `read` began.
std::vector<ReadRecord> HistoryChecker::newer_reads_before(const ReadRecord& read) const {
  std::vector<ReadRecord> newer;
  std::ranges::copy_if(reads_, std::back_inserter(newer), [&read](const ReadRecord& other) {
    return other.key == read.key && other.path == read.path && other.end < read.start && other.version > read.version;
  });
  std::ranges::sort(newer, std::greater{}, &ReadRecord::end);
  newer.resize(std::min(newer.size(), kNewerReads));
  return newer;
}

}  // namespace anteroom::test
