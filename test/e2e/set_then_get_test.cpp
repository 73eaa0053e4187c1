// SET k and GET k in one packet, over and over, on many connections, while somebody else writes the same keys directly.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

constexpr int kConnections = 16;

/// Pairs in all; PAIRS=1000000 makes it a long run.
int pairs() {
  const char* given = std::getenv("PAIRS");
  return given != nullptr ? std::atoi(given) : 30'000;
}

class SetThenGet : public SharedRigTest<SetThenGet> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "2"}}}; }

 protected:
  [[nodiscard]] std::string key(int connection) const { return base_ + std::to_string(connection); }

  /// "d:<number>", with numbers that grow per key; acked_[i] is the highest that was acknowledged.
  void write_directly() {
    RespClient backend = direct();
    for (std::uint64_t number = 1; !is_over_; ++number) {
      for (int i = 0; i < kConnections; ++i) {
        backend.ask("SET", key(i), "d:" + std::to_string(number));
        acked_[static_cast<std::size_t>(i)] = number;
      }
    }
  }
  /// Own values are new by definition; of the other writer's, those that it had not finished before ours was sent.
  [[nodiscard]] static bool is_newer(const std::string& value, std::uint64_t acked_before) {
    if (!value.starts_with("d:")) return false;
    std::uint64_t number = 0;
    std::from_chars(value.data() + 2, value.data() + value.size(), number);
    return number > acked_before;
  }
  void write_and_read(int connection, int times) {
    RespClient user = client();
    for (int i = 0; i < times; ++i) {
      const std::string own = std::to_string(i);
      const std::uint64_t acked_before = acked_[static_cast<std::size_t>(connection)];
      user.send_raw(encode({"SET", key(connection), own}) + encode({"GET", key(connection)}));
      const bool is_set = user.read() == kOk;
      const std::string read = user.read().text;
      if (!is_set || (read != own && !is_newer(read, acked_before))) ++older_;
      // A second read, which may be a hit.
      const std::string again = user.ask("GET", key(connection)).text;
      if (again != own && !is_newer(again, acked_before)) ++older_;
    }
  }

  const std::string base_ = unique_key();
  std::array<std::atomic<std::uint64_t>, kConnections> acked_{};
  std::atomic<bool> is_over_{false};
  std::atomic<int> older_{0};
};

INSTANTIATE_TEST_SUITE_P(Over, SetThenGet, testing::Values(Transport::kTcp), transport_name);

TEST_P(SetThenGet, GetPipelinedBehindSetNeverGivesAnOlderValue) {
  std::thread writer([this] { write_directly(); });
  std::vector<std::thread> users;
  for (int i = 0; i < kConnections; ++i) {
    users.emplace_back([this, i] { write_and_read(i, pairs() / kConnections); });
  }
  for (std::thread& user : users) user.join();
  is_over_ = true;
  writer.join();

  EXPECT_EQ(older_, 0);
}

}  // namespace
}  // namespace anteroom::test
