#pragma once

#include <span>
#include <string>
#include <vector>

#include "support/workload.hpp"

namespace anteroom::test {

/// A way to bring a group of keys to its next version.
struct WriteForm {
  enum class Keys : std::uint8_t { kSingle, kWholeGroup };
  using Commands = std::vector<std::vector<std::string>>;
  struct Job {
    std::vector<std::string> keys;
    std::vector<std::string> values;
    std::string ttl_ms;
  };

  const char* name;
  unsigned weight;  ///< how often it is drawn, compared with others
  Keys keys;
  bool is_deletion;
  bool expires;
  Commands (*commands)(const Job& job);               ///< the last one does it
  Commands (*preparation)(const Job& job) = nullptr;  ///< sent directly before
};
[[nodiscard]] std::span<const WriteForm> write_forms();
[[nodiscard]] const WriteForm& draw_form(Random& random);

/// Values that expire live between these times, so that a quiet time of kTtlMsMax leaves none that is about to.
inline constexpr std::uint32_t kTtlMsMin = 10;
inline constexpr std::uint32_t kTtlMsMax = 250;

/// Writes groups of keys on one path in all forms, now and then with a read pipelined behind.
class Writer {
 public:
  struct Options {
    Path path = kFrontEnd;
    std::uint8_t client = 0;
    std::uint64_t seed = 1;
    std::uint32_t pause_us_max = 1'500;  ///< after each write, drawn from 0 on
  };

  /// `server` is the server itself, for preparations.
  Writer(WorkloadShared& shared, const Address& address, const Address& server, const Options& options);

  /// Writes until the workload stops.
  void run(OperationLog& log);

 private:
  void write_once(OperationLog& log);
  void write_group(std::uint16_t number, const WriteForm& form, OperationLog& log);
  [[nodiscard]] bool prepare(const WriteForm::Commands& commands);
  /// Sends `commands` and, when `read_behind` is set, a GET of the group's first key.
  void execute(const WriteForm::Commands& commands, bool read_behind, WriteRecord& write, OperationLog& log);
  void read_behind(const WriteRecord& write, RespClient& connection, OperationLog& log);

  WorkloadShared& shared_;
  const Options options_;
  PersistentClient client_;
  PersistentClient server_;
  Random random_;
};

/// Settles what a write leaves behind: logs it, and when its outcome is not known, keeps others off its group until it
/// is. The group's `writing` must be held.
void finish_write(const WriteRecord& write, KeySpace& keys, OperationLog& log);

}  // namespace anteroom::test
