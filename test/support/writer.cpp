#include "support/writer.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace anteroom::test {
namespace {

// Longer than the front-end waits for its upstream, and than any fault stops the server.
constexpr milliseconds kWriterPatience{8'000};

std::string encode_all(const WriteForm::Commands& commands) {
  std::string requests;
  for (const auto& command : commands) requests += encode({command.begin(), command.end()});
  return requests;
}

}  // namespace

Outcome outcome_of(const Reply& reply) {
  if (reply.type == '\0') return reply.raw == "<refused>" ? Outcome::kNotExecuted : Outcome::kUnknown;
  if (!reply.is_error()) return Outcome::kAcknowledged;
  const std::string_view text = reply.text;
  const bool is_certain = text.find("executed=no") != std::string_view::npos || text.starts_with("LOADING") ||
                          text.starts_with("EXECABORT") || text == "ERR no such key";
  return is_certain ? Outcome::kNotExecuted : Outcome::kUnknown;
}

void finish_write(const WriteRecord& write, KeySpace& keys, OperationLog& log) {
  log.writes.push_back(write);
  if (write.outcome == Outcome::kUnknown) keys.group(write.group).in_doubt_until = keys.doubt_ends();
  if (write.outcome == Outcome::kUnknown) ++log.counts["write_outcome_unknown"];
  if (write.outcome == Outcome::kNotExecuted) ++log.counts["write_not_executed"];
}

Writer::Writer(WorkloadShared& shared, const Address& address, const Address& server, const Options& options)
    : shared_(shared),
      options_(options),
      client_(address, kWriterPatience),
      server_(server, kWriterPatience),
      random_(options.seed) {}

void Writer::run(OperationLog& log) {
  while (!shared_.is_stopping) {
    write_once(log);
    std::this_thread::sleep_for(std::chrono::microseconds{random_() % (options_.pause_us_max + 1)});
  }
}

void Writer::write_once(OperationLog& log) {
  const std::uint16_t number = shared_.keys.group_of_key().at(shared_.keys.draw_key(random_));
  KeySpace::Group& group = shared_.keys.group(number);
  const WriteForm& form = draw_form(random_);
  if (form.keys == WriteForm::Keys::kSingle && !group.is_single()) return;
  const std::unique_lock lock{group.writing, std::try_to_lock};
  if (lock.owns_lock() && now() >= group.in_doubt_until) write_group(number, form, log);
}

void Writer::write_group(std::uint16_t number, const WriteForm& form, OperationLog& log) {
  KeySpace::Group& group = shared_.keys.group(number);
  WriteRecord write{.group = number, .path = options_.path, .is_deletion = form.is_deletion, .version = group.last + 1};
  if (form.expires) write.ttl_ms = kTtlMsMin + static_cast<std::uint32_t>(random_() % (kTtlMsMax - kTtlMsMin));
  WriteForm::Job job{.keys = {}, .values = {}, .ttl_ms = std::to_string(write.ttl_ms)};
  for (const std::uint16_t key : group.keys) {
    job.keys.push_back(shared_.keys.name(key));
    job.values.push_back(value_text(job.keys.back(), write.version));
  }
  if (form.preparation != nullptr && !prepare(form.preparation(job))) return;
  group.last = write.version;
  constexpr unsigned kReadBehindEvery = 5;
  execute(form.commands(job), random_() % kReadBehindEvery == 0, write, log);
  ++log.counts[std::string("write_") + form.name];
}

bool Writer::prepare(const WriteForm::Commands& commands) {
  return std::ranges::all_of(commands, [this](const std::vector<std::string>& command) {
    const Reply reply = server_.ask(std::vector<std::string_view>{command.begin(), command.end()});
    return outcome_of(reply) == Outcome::kAcknowledged;
  });
}

void Writer::execute(const WriteForm::Commands& commands, bool read_behind, WriteRecord& write, OperationLog& log) {
  std::string requests = encode_all(commands);
  const KeySpace::Group& group = shared_.keys.group(write.group);
  if (read_behind) requests += encode({"GET", shared_.keys.name(group.keys[0])});
  RespClient& connection = client_.connection();
  write.start = now();
  (void)connection.send_raw(requests);  // a failure shows in the replies
  const Reply reply = connection.read_many(commands.size()).back();
  write.end = now();
  write.outcome = outcome_of(reply);
  finish_write(write, shared_.keys, log);
  if (read_behind && reply.type != '\0') this->read_behind(write, connection, log);
  if (reply.type == '\0') client_.drop();
}

void Writer::read_behind(const WriteRecord& write, RespClient& connection, OperationLog& log) {
  const std::uint16_t key = shared_.keys.group(write.group).keys[0];
  const Reply reply = connection.read();
  if (reply.type == '\0') client_.drop();
  if (reply.type != '$') return;
  ReadRecord record{.key = key, .client = options_.client, .path = options_.path, .start = write.start, .end = now()};
  if (write.outcome == Outcome::kAcknowledged) record.at_least = write.version;
  const std::optional<Version> version = reply.is_null ? kNoVersion : version_in(reply.text, shared_.keys.name(key));
  if (version) {
    record.version = *version;
    log.reads.push_back(record);
  } else {
    log.violations.push_back({.rule = Rule::kForeignValue, .read = record, .what = escaped(reply.text)});
  }
}

}  // namespace anteroom::test
