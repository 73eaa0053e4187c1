#include "support/history_run.hpp"

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

namespace anteroom::test {
namespace {

// A reply that has not come by then counts as trouble.
constexpr milliseconds kRestPatience{10'000};

/// Time limits shorter than the longest stops and freezes, so that replies also come too late.
std::string config_for(const HistoryRun::Options& options) {
  const std::string upstream = R"({"upstream":{"response_timeout_ms":1000},"cache":{)";
  if (options.consistency == "off") return upstream + R"("enabled":false}})";
  std::string cache = R"("consistency":")" + options.consistency + R"(","ttl_ms":60000,"negative_ttl_ms":60000)";
  cache += R"(,"fill_timeout_ms":1000)";
  if (options.consistency == "tracking") {
    cache += R"(,"max_staleness_ms":)" + std::to_string(options.staleness_max.count()) + R"(,"fence_interval_ms":100)";
  }
  return upstream + cache + "}}";
}

RedisServer::Options server_options() { return {.arguments = {"--enable-debug-command", "yes"}}; }

HistoryChecker::Options checker_options(const HistoryRun::Options& options, const KeySpace& keys) {
  return {.group_of_key = keys.group_of_key(),
          .staleness_max = options.staleness_max.count() * kMillisecond,
          .clock_margin = 100 * kMillisecond,
          .are_mixed_reads_ordered = options.are_mixed_reads_ordered};
}

std::uint64_t number_in(std::string_view info, std::string_view field) {
  const std::string text = info_field(info, field);
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

HistoryRun::HistoryRun(Options options)
    : options_(std::move(options)),
      server_(server_options()),
      keys_(KeySpace::Options{}),
      shared_{.keys = keys_},
      checker_(checker_options(options_, keys_)) {}

HistoryRun::~HistoryRun() = default;

bool HistoryRun::start() {
  if (!server_.start()) return false;
  relay_ = std::make_unique<Relay>(server_.address(Transport::kTcp).port);
  front_ = std::make_unique<AnteroomProcess>(
      AnteroomProcess::Options{.upstream = "redis://127.0.0.1:" + std::to_string(relay_->port()),
                               .config = options_.config.empty() ? config_for(options_) : options_.config});
  if (!front_->start()) return false;
  make_clients();
  started_ = now();
  return true;
}

void HistoryRun::make_clients() {
  const Address front = front_->address(Transport::kTcp);
  std::uint8_t client = 0;
  const auto seed = [&] { return options_.seed * 1'000 + client; };
  const auto add_reader = [&](const Address& address, Path path, milliseconds pause) {
    const Reader::Options options{.path = path, .client = client, .seed = seed(), .pause = pause};
    readers_.push_back(std::make_unique<Reader>(shared_, address, options));
    ++client;
  };
  const auto add_writer = [&](const Address& address, Path path) {
    const Writer::Options options{.path = path, .client = client, .seed = seed()};
    writers_.push_back(std::make_unique<Writer>(shared_, address, server_.address(Transport::kUnix), options));
    ++client;
  };
  for (std::size_t i = 0; i < options_.readers; ++i) {
    add_reader(front_->address(i % 2 == 0 ? Transport::kTcp : Transport::kUnix), kFrontEnd, milliseconds{0});
  }
  // Few direct reads are enough: they only make sure that what is recorded is what the server did.
  add_reader(server_.address(Transport::kUnix), kDirect, milliseconds{10});
  if (options_.has_front_writer) add_writer(front, kFrontEnd);
  if (options_.has_direct_writer) {
    add_writer(server_.address(Transport::kUnix), kDirect);
  } else {
    add_writer(front_->address(Transport::kUnix), kFrontEnd);
  }
  make_faults();
  logs_.resize(readers_.size() + writers_.size() + 1);
}

void HistoryRun::make_faults() {
  std::vector<Faults::Kind> wanted;
  std::ranges::copy_if(Faults::kinds(), std::back_inserter(wanted), [this](const Faults::Kind& kind) {
    const bool is_possible = options_.consistency != "ttl" || !kind.needs_tracking;
    const bool is_wanted = options_.only_fault.empty() || options_.only_fault == kind.name;
    return options_.has_faults && is_possible && is_wanted;
  });
  const Faults::Setting setting{.server = server_,
                                .relay = *relay_,
                                .front = front_->address(Transport::kTcp),
                                .shared = shared_,
                                .longest_stop = options_.longest_stop,
                                .longest_freeze = options_.longest_freeze,
                                .seed = options_.seed};
  faults_ = std::make_unique<Faults>(setting, std::move(wanted));
}

void HistoryRun::run_round() {
  work();
  collect();
}

/// The faults end first, so that each is felt to its end.
void HistoryRun::work() {
  shared_.is_stopping = false;
  std::atomic<bool> are_faults_stopping{false};
  std::vector<std::thread> threads;
  auto log = logs_.begin();
  std::thread faults{[&, &own = *log++] { faults_->run(are_faults_stopping, own); }};
  for (const auto& reader : readers_) threads.emplace_back([&reader, &own = *log++] { reader->run(own); });
  for (const auto& writer : writers_) threads.emplace_back([&writer, &own = *log++] { writer->run(own); });
  wait_for_end_of_round();
  are_faults_stopping = true;
  faults.join();
  shared_.is_stopping = true;
  for (std::thread& thread : threads) thread.join();
}

void HistoryRun::wait_for_end_of_round() const {
  const Deadline deadline{options_.round};
  const std::uint64_t enough = shared_.front_reads + options_.reads_per_round_max;
  while (!deadline.is_over() && shared_.front_reads < enough) std::this_thread::sleep_for(milliseconds{5});
}

void HistoryRun::collect() {
  std::vector<WriteRecord> writes;
  std::vector<ReadRecord> reads;
  for (OperationLog& log : logs_) {
    writes.insert(writes.end(), log.writes.begin(), log.writes.end());
    reads.insert(reads.end(), log.reads.begin(), log.reads.end());
    for (Violation& violation : log.violations) checker_.add_violation(std::move(violation));
    for (const auto& [what, count] : log.counts) counts_[what] += count;
    log.clear();
  }
  writes_ += writes.size();
  checker_.check_round(std::move(writes), std::move(reads));
}

/// Nobody writes, all that may still run has run, and what expires has expired: now the front-end must agree with the
/// server about every key. Several connections, so that every worker is asked.
void HistoryRun::compare_at_rest() {
  Instant rest_from = now();
  for (const KeySpace::Group& group : keys_.groups()) rest_from = std::max(rest_from, group.in_doubt_until);
  const milliseconds quiet = options_.staleness_max + milliseconds{kTtlMsMax} + milliseconds{200};
  const Instant until = rest_from + quiet.count() * kMillisecond;
  std::this_thread::sleep_for(std::chrono::nanoseconds{until - now()});
  std::vector<PersistentClient> fronts;
  for (int i = 0; i < 3; ++i) fronts.emplace_back(front_->address(Transport::kTcp), kRestPatience);
  PersistentClient server{server_.address(Transport::kUnix), kRestPatience};
  // If one key is not answered, no other will be: the run ends instead of waiting for each.
  for (std::uint16_t key = 0; key < keys_.key_count() && compare_key(key, fronts, server); ++key) {
  }
}

bool HistoryRun::compare_key(std::uint16_t key, std::vector<PersistentClient>& fronts, PersistentClient& server) {
  const std::string& name = keys_.name(key);
  const Reply truth = server.ask("GET", name);
  bool are_all_answered = true;
  for (PersistentClient& front : fronts) {
    Reply reply;
    // Links that a fault has broken may take a moment to come back.
    const auto is_answered = [&] { return (reply = front.ask("GET", name)).type == '$'; };
    const bool has_answer = eventually(is_answered, kRestPatience);
    ++shared_.front_reads;
    if (has_answer && reply == truth) continue;
    are_all_answered &= has_answer;
    checker_.add_violation({.rule = Rule::kDiffersAtRest,
                            .read = {.key = key, .start = now(), .end = now()},
                            .what = name + ": the front-end says \"" + escaped(reply.raw, 60) + "\", the server \"" +
                                    escaped(truth.raw, 60) + "\""});
  }
  return are_all_answered;
}

HistoryReport HistoryRun::report() const {
  HistoryReport report{.reads = shared_.front_reads, .writes = writes_, .faults = {}, .counts = counts_};
  const std::string info = front_->connect().ask("INFO", "cache").text;
  report.hits = number_in(info, "cache_hits") + number_in(info, "cache_nil_hits");
  report.misses = number_in(info, "cache_misses");
  report.faults = faults_->counts();
  report.violations = checker_.violation_count();
  report.mixed_reads_out_of_order = checker_.mixed_reads_out_of_order();
  for (std::size_t i = 0; i < kRuleCount; ++i) {
    const auto rule = static_cast<Rule>(i);
    if (checker_.violation_count(rule) > 0) {
      report.violations_by_rule[std::string(to_string(rule))] = checker_.violation_count(rule);
    }
  }
  report.staleness_p50 = checker_.staleness().quantile(0.5);
  report.staleness_p99 = checker_.staleness().quantile(0.99);
  report.staleness_max = checker_.staleness().max();
  report.seconds = static_cast<double>(now() - started_) / 1e9;
  report.seed = options_.seed;
  report.consistency = options_.consistency;
  return report;
}

std::string HistoryRun::explain() const {
  constexpr std::size_t kShown = 10;
  std::string text;
  std::size_t shown = 0;
  for (const Violation& violation : checker_.violations()) {
    if (++shown > kShown) break;
    text += std::string(to_string(violation.rule)) + " (" + keys_.name(violation.read.key) + "): " + violation.what +
            "\n  " + describe(violation.read, violation.read.start) + "\n" + violation.trace;
  }
  return text;
}

}  // namespace anteroom::test
