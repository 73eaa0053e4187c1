#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/history.hpp"
#include "support/key_space.hpp"
#include "support/persistent_client.hpp"

namespace anteroom::test {

/// What one thread did in one round. Threads share none.
struct OperationLog {
  std::vector<ReadRecord> reads;
  std::vector<WriteRecord> writes;
  std::vector<Violation> violations;            ///< of which only the one who read can know
  std::map<std::string, std::uint64_t> counts;  ///< writes by form, errors by kind

  void clear() {
    reads.clear();
    writes.clear();
    violations.clear();
    counts.clear();
  }
};

/// A command that reads one key and from whose reply the version can be told. More forms can be added to those that a
/// reader uses, as soon as a front-end answers more than GET from its cache.
struct ReadForm {
  const char* name;
  std::string (*request)(std::string_view key);
  /// kNoVersion for "no such key"; nothing when the value was never written to the key.
  std::optional<Version> (*version)(const Reply& reply, std::string_view key);
};
[[nodiscard]] std::span<const ReadForm> get_only();
/// GET and GETRANGE, which is never answered from the cache.
[[nodiscard]] std::span<const ReadForm> get_and_getrange();

/// Everything that the threads of one run share.
struct WorkloadShared {
  KeySpace& keys;
  std::atomic<bool> is_stopping{false};
  std::atomic<std::uint64_t> front_reads{0};
  std::atomic<std::uint32_t> mgets{0};
};

/// Reads through one path: pipelines of 1 to 16 single reads, MGETs of whole groups and of keys drawn anyhow.
class Reader {
 public:
  struct Options {
    Path path = kFrontEnd;
    std::uint8_t client = 0;
    std::uint64_t seed = 1;
    milliseconds pause{0};  ///< after each request
    std::span<const ReadForm> forms = get_only();
  };

  Reader(WorkloadShared& shared, const Address& address, const Options& options);

  /// Reads until the workload stops.
  void run(OperationLog& log);

 private:
  void read_pipeline(OperationLog& log);
  void read_group(OperationLog& log);
  void read_any(OperationLog& log);
  void read_mget(const std::vector<std::uint16_t>& keys, OperationLog& log);
  /// False when the connection is lost.
  bool note_trouble(const Reply& reply, OperationLog& log);
  void note(ReadRecord record, const std::optional<Version>& version, const Reply& reply, OperationLog& log);

  WorkloadShared& shared_;
  const Options options_;
  PersistentClient client_;
  Random random_;
};

/// What the reply to a write says about it.
[[nodiscard]] Outcome outcome_of(const Reply& reply);

}  // namespace anteroom::test
