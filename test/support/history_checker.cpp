#include "support/history_checker.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace anteroom::test {
namespace {

std::string to_string(Position position) {
  if (position.version == kNoVersion) return "the beginning";
  return (position.is_expired ? "the end of version " : "version ") + std::to_string(position.version);
}

std::size_t kind_of(const ReadRecord& read) { return read.mget == 0 ? 0 : 1; }

}  // namespace

Position HistoryChecker::Floors::highest() const {
  return std::max({acknowledged, shown, shown_otherwise, program, bound});
}

HistoryChecker::HistoryChecker(Options options) : options_(std::move(options)) {
  const std::size_t paths = options_.front_ends + 1;
  const auto groups = std::size_t{1} + *std::ranges::max_element(options_.group_of_key);
  logs_.assign(groups, VersionLog{paths});
  shown_.assign(paths, std::vector<Shown>(options_.group_of_key.size()));
}

void HistoryChecker::check_round(std::vector<WriteRecord> writes, std::vector<ReadRecord> reads) {
  add_writes(std::move(writes));
  reads_ = std::move(reads);
  check_reads();
  check_mgets();
}

void HistoryChecker::add_writes(std::vector<WriteRecord> writes) {
  std::ranges::sort(writes, {}, [](const WriteRecord& write) { return std::pair{write.group, write.version}; });
  for (const WriteRecord& write : writes) {
    if (logs_.at(write.group).add(write)) continue;
    const ReadRecord nobody{.path = write.path, .version = write.version, .start = write.start, .end = write.end};
    violate(Rule::kServerDisagrees, nobody, "writes of one group overlap: " + describe(write, write.start));
  }
}

/// Goes through the reads in the order of their starts and, beside that, in the order of their ends: a read is bound
/// by all those that had ended when it started.
void HistoryChecker::check_reads() {
  std::ranges::sort(reads_, {}, &ReadRecord::start);
  positions_.assign(reads_.size(), Position{});
  std::vector<std::uint32_t> by_end(reads_.size());
  std::iota(by_end.begin(), by_end.end(), 0U);
  std::ranges::sort(by_end, {}, [this](std::uint32_t index) { return reads_[index].end; });
  auto ended = by_end.begin();
  const auto remember = [this](std::uint32_t index) {
    const ReadRecord& read = reads_[index];
    Position& shown = shown_.at(read.path).at(read.key).at(kind_of(read));
    shown = std::max(shown, positions_[index]);
  };
  for (std::size_t i = 0; i < reads_.size(); ++i) {
    const ReadRecord& read = reads_[i];
    for (; ended != by_end.end() && reads_[*ended].end < read.start; ++ended) remember(*ended);
    positions_[i] = check_read(read, floors_of(read));
  }
  for (; ended != by_end.end(); ++ended) remember(*ended);
}

HistoryChecker::Floors HistoryChecker::floors_of(const ReadRecord& read) const {
  const VersionLog& log = log_of(read);
  const Shown& shown = shown_.at(read.path).at(read.key);
  const bool is_direct = read.path == kDirect;
  const Instant bound = read.start - options_.staleness_max - options_.clock_margin;
  const Version acknowledged =
      is_direct ? log.newest_acknowledged(read.start) : log.newest_acknowledged(read.path, read.start);
  return {.acknowledged = {.version = acknowledged},
          .shown = shown.at(kind_of(read)),
          .shown_otherwise = options_.are_mixed_reads_ordered ? shown.at(1 - kind_of(read)) : Position{},
          .program = {.version = read.at_least},
          .bound = {.version = log.newest_acknowledged(bound)}};
}

Position HistoryChecker::check_read(const ReadRecord& read, const Floors& floors) {
  const VersionLog& log = log_of(read);
  if (read.version != kNoVersion) {
    const WriteRecord* write = log.find(read.version);
    const Position got{.version = read.version};
    if (!check_existence(read, write)) return {};
    check_floors(read, floors, got);
    check_expiry(read, *write);
    measure_staleness(read, got);
    count_if_out_of_order(read, got);
    return got;
  }
  const std::optional<Position> newest = log.newest_absence(read.end);
  if (newest) {
    check_floors(read, floors, *newest);
    measure_staleness(read, *newest);
    count_if_out_of_order(read, *newest);
  }
  return log.oldest_absence(floors.highest(), read.end).value_or(Position{});
}

bool HistoryChecker::check_existence(const ReadRecord& read, const WriteRecord* write) {
  if (write == nullptr || write->start > read.end || write->is_deletion) {
    violate(Rule::kFuture, read, "nobody had begun to write this");
    return false;
  }
  if (write->outcome != Outcome::kNotExecuted) return true;
  violate(Rule::kRefusedWrite, read, "the writer was told that this was not executed");
  return false;
}

void HistoryChecker::check_floors(const ReadRecord& read, const Floors& floors, Position got) {
  const std::array<std::pair<Rule, Position>, 5> bounds{{{Rule::kProgramOrder, floors.program},
                                                         {Rule::kReadYourWrites, floors.acknowledged},
                                                         {Rule::kMonotonicReads, floors.shown},
                                                         {Rule::kMonotonicMixed, floors.shown_otherwise},
                                                         {Rule::kStaleness, floors.bound}}};
  for (const auto& [rule, floor] : bounds) {
    if (got < floor) violate(rule, read, to_string(got) + " is older than " + to_string(floor));
  }
}

void HistoryChecker::check_expiry(const ReadRecord& read, const WriteRecord& write) {
  if (write.ttl_ms == 0 || write.outcome != Outcome::kAcknowledged) return;
  const Instant deadline = write.end + write.ttl_ms * kMillisecond + options_.clock_margin;
  if (read.start > deadline)
    violate(
        Rule::kExpired, read,
        "its time had been over for " + std::to_string((read.start - deadline) / kMillisecond) + " ms and the margin");
}

void HistoryChecker::count_if_out_of_order(const ReadRecord& read, Position got) {
  if (options_.are_mixed_reads_ordered) return;
  if (got < shown_.at(read.path).at(read.key).at(1 - kind_of(read))) ++mixed_reads_out_of_order_;
}

void HistoryChecker::measure_staleness(const ReadRecord& read, Position got) {
  if (read.path == kDirect) return;
  const WriteRecord* newer = log_of(read).next_acknowledged(got.version);
  staleness_.add(newer != nullptr && newer->end < read.start ? read.start - newer->end : 0);
}

void HistoryChecker::add_violation(Violation violation) {
  ++count_;
  ++count_by_rule_.at(static_cast<std::size_t>(violation.rule));
  if (violations_.size() < kViolationsKept) violations_.push_back(std::move(violation));
}

/// A direct read that breaks a rule tells nothing about a front-end.
void HistoryChecker::violate(Rule rule, const ReadRecord& read, std::string what) {
  if (read.path == kDirect && rule != Rule::kServerDisagrees) {
    what = std::string(test::to_string(rule)) + ": " + what;
    rule = Rule::kServerDisagrees;
  }
  Violation violation{.rule = rule, .read = read, .what = std::move(what)};
  if (violations_.size() < kTracesKept) violation.trace = trace(read);
  add_violation(std::move(violation));
}

}  // namespace anteroom::test
