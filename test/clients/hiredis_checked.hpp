#pragma once

#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

/// hiredis with checks, for hiredis_client.cpp: whatever is wrong is thrown as a std::runtime_error that says what.
/// One thread.
namespace anteroom::test::clients {

using Words = std::vector<std::string>;

/// Where the server is and how it is spoken to; set once by main().
struct Target {
  std::string host{};  ///< or the path
  int port = 0;        ///< 0: a UNIX socket
  int protocol = 2;
};
Target& target();
[[nodiscard]] inline bool is_resp3() { return target().protocol == 3; }

/// What RESP3 or RESP2 gives.
[[nodiscard]] inline std::string_view by_protocol(std::string_view resp3, std::string_view resp2) {
  return is_resp3() ? resp3 : resp2;
}

/// The parts, printed one after the other.
template <typename... Parts>
std::string text_of(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

[[noreturn]] void fail(const std::string& reason);
void same(std::string_view actual, std::string_view expected, std::string_view what = "");
void holds(bool is_true, const std::string& what);

/// A reply as text: +status -error :integer "bulk" [array] and, of RESP3, {map} (set) >push< ,double #bool =verbatim
/// ~big number. Nulls of both protocols are "nil".
[[nodiscard]] std::string show(const redisReply& reply);

[[nodiscard]] inline std::string quoted(const std::string& text) { return '"' + text + '"'; }

/// A key that nobody else uses.
[[nodiscard]] std::string unique_key(std::string_view hint);

inline constexpr timeval kReplyPatience{.tv_sec = 10, .tv_usec = 0};

/// One connection in the target's protocol. Pushes are replies like others here, so their place in the stream is
/// checked, too.
class Client {
 public:
  /// `patience` is how long it waits for a reply before it takes the connection for lost.
  explicit Client(timeval patience = kReplyPatience);

  /// Puts a command behind those sent before; it goes out with the next read() or flush().
  void send(const Words& words);
  /// Lets what was sent go out without waiting for an answer.
  void flush();
  /// The next reply, as show() has it.
  std::string read();
  std::string ask(const Words& words);

  /// Ask and compare.
  void expect(const Words& words, std::string_view expected);
  void expect_prefix(const Words& words, std::string_view prefix);

  /// What CLIENT ID says.
  std::string id() { return ask({"CLIENT", "ID"}).substr(1); }

  /// Waits for a reply: true when the end of the connection, or of the patience, comes instead.
  [[nodiscard]] bool is_lost();
  void reconnect();
  void close() { context_.reset(); }

 private:
  void say_hello();

  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, Free> context_;
};

}  // namespace anteroom::test::clients
