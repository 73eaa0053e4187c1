#include <algorithm>
#include <array>
#include <thread>

#include "support/workload.hpp"

namespace anteroom::test {
namespace {

// Longer than the front-end waits for its upstream, so that its error is seen.
constexpr milliseconds kReaderPatience{8'000};

std::optional<Version> version_of_get(const Reply& reply, std::string_view key) {
  if (reply.is_null) return kNoVersion;
  return version_in(reply.text, key);
}

std::optional<Version> version_of_getrange(const Reply& reply, std::string_view key) {
  if (reply.text.empty()) return kNoVersion;
  return version_in(reply.text, key);
}

constexpr std::array kForms = std::to_array<ReadForm>({
    {"GET", [](std::string_view key) { return encode({"GET", key}); }, version_of_get},
    {"GETRANGE", [](std::string_view key) { return encode({"GETRANGE", key, "0", "-1"}); }, version_of_getrange},
});

}  // namespace

std::span<const ReadForm> get_only() { return std::span{kForms}.first(1); }
std::span<const ReadForm> get_and_getrange() { return kForms; }

Reader::Reader(WorkloadShared& shared, const Address& address, const Options& options)
    : shared_(shared), options_(options), client_(address, kReaderPatience), random_(options.seed) {}

void Reader::run(OperationLog& log) {
  while (!shared_.is_stopping) {
    const std::size_t before = log.reads.size();
    const auto dice = random_() % 100;
    if (dice < 75) {
      read_pipeline(log);
    } else if (dice < 90) {
      read_group(log);
    } else {
      read_any(log);
    }
    const std::size_t done = log.reads.size() - before;
    if (options_.path != kDirect) shared_.front_reads += done;
    // After trouble there is mostly more to come: no busy loop of errors.
    const milliseconds pause = done == 0 ? std::max(options_.pause, milliseconds{2}) : options_.pause;
    if (pause.count() > 0) std::this_thread::sleep_for(pause);
  }
}

void Reader::read_pipeline(OperationLog& log) {
  constexpr std::size_t kDepthMax = 16;
  std::string requests;
  std::vector<std::pair<std::uint16_t, const ReadForm*>> sent;
  const std::size_t depth = 1 + random_() % kDepthMax;
  for (std::size_t i = 0; i < depth; ++i) {
    const std::uint16_t key = shared_.keys.draw_key(random_);
    const ReadForm& form = options_.forms[random_() % options_.forms.size()];
    requests += form.request(shared_.keys.name(key));
    sent.emplace_back(key, &form);
  }
  RespClient& connection = client_.connection();
  const Instant start = now();
  (void)connection.send_raw(requests);  // a failure shows in the replies
  for (const auto& [key, form] : sent) {
    const Reply reply = connection.read();
    const ReadRecord record{.key = key, .client = options_.client, .path = options_.path, .start = start, .end = now()};
    if (reply.type == '$') {
      note(record, form->version(reply, shared_.keys.name(key)), reply, log);
    } else if (!note_trouble(reply, log)) {
      return;
    }
  }
}

void Reader::read_group(OperationLog& log) {
  const std::uint16_t key = shared_.keys.draw_key(random_);
  read_mget(shared_.keys.group(shared_.keys.group_of_key().at(key)).keys, log);
}

void Reader::read_any(OperationLog& log) {
  std::vector<std::uint16_t> keys(2 + random_() % 7);
  std::ranges::generate(keys, [this] { return shared_.keys.draw_key(random_); });
  read_mget(keys, log);
}

void Reader::read_mget(const std::vector<std::uint16_t>& keys, OperationLog& log) {
  std::vector<std::string_view> request{"MGET"};
  for (const std::uint16_t key : keys) request.push_back(shared_.keys.name(key));
  const std::uint32_t mget = ++shared_.mgets;
  RespClient& connection = client_.connection();
  const Instant start = now();
  const Reply reply = connection.ask(request);
  const Instant end = now();
  if (reply.type != '*' || reply.items.size() != keys.size()) {
    (void)note_trouble(reply, log);
    return;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const ReadRecord record{
        .key = keys[i], .client = options_.client, .path = options_.path, .mget = mget, .start = start, .end = end};
    note(record, version_of_get(reply.items[i], shared_.keys.name(keys[i])), reply.items[i], log);
  }
}

void Reader::note(ReadRecord record, const std::optional<Version>& version, const Reply& reply, OperationLog& log) {
  if (!version) {
    log.violations.push_back(
        {.rule = record.path == kDirect ? Rule::kServerDisagrees : Rule::kForeignValue,
         .read = record,
         .what = "\"" + escaped(reply.text) + "\" was never written to " + shared_.keys.name(record.key)});
    return;
  }
  record.version = *version;
  log.reads.push_back(record);
}

bool Reader::note_trouble(const Reply& reply, OperationLog& log) {
  const bool is_lost = reply.type == '\0';
  if (is_lost) client_.drop();
  ++log.counts[is_lost ? "read_connection_lost" : "read_error"];
  if (is_lost || reply.is_error()) return !is_lost;
  log.violations.push_back(
      {.rule = Rule::kForeignValue, .read = {.path = options_.path}, .what = "a read got " + escaped(reply.raw)});
  return true;
}

}  // namespace anteroom::test
