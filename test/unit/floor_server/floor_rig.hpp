#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "floor_server/listener.hpp"
#include "kv_load/posix.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::floor_server {

/// A listener at a UNIX socket and its clients, all in the test's thread: what one end has written, the other can read
/// at once, so turns that find nothing more to do have done everything.
class FloorServerTest : public testing::Test {
 protected:
  Fd connect() const { return kv_load::connect_to(place_); }

  static void send(const Fd& fd, std::string_view bytes) {
    EXPECT_EQ(::send(fd.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// All that has come so far.
  static std::string received(const Fd& fd) {
    std::string out;
    std::vector<char> piece(64 * 1024);
    while (true) {
      const ssize_t got = ::recv(fd.value(), piece.data(), piece.size(), 0);
      if (got <= 0) return out;
      out.append(piece.data(), static_cast<std::size_t>(got));
    }
  }
  /// Whether the other end has closed it, and nothing is left to read.
  static bool is_closed(const Fd& fd) {
    char byte = 0;
    return ::recv(fd.value(), &byte, 1, MSG_PEEK) == 0;
  }
  /// Lets `server` do all there is to do.
  template <class Server>
  static void settle(Server& server) {
    constexpr int kTurnsMax = 1'000;
    int turns = 0;
    while (turns < kTurnsMax && server.turn(0) > 0) ++turns;
    ASSERT_LT(turns, kTurnsMax) << "it finds something to do for ever";
  }

  const test::TempDir folder_;
  const kv_load::Place place_{.path = folder_.file("socket")};
  const Fd listener_ = listen_at(place_);
};

}  // namespace anteroom::floor_server
