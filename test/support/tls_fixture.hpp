#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/socket_stream.hpp"
#include "net/tls_stream.hpp"
#include "support/certificates.hpp"
#include "support/loop_fixture.hpp"
#include "support/sockets.hpp"

namespace anteroom::net {

/// One end of a TLS connection: shakes hands, collects what it reads while it wants to, and writes what it is told.
class TlsEnd final : private StreamEvents {
 public:
  TlsEnd(EventLoop& loop, base::UniqueFd fd, std::shared_ptr<const TlsContext> context, std::string server_name = {})
      : stream(loop, std::make_unique<SocketStream>(loop, std::move(fd)), std::move(context), std::move(server_name)) {}

  void start() {
    stream.start_handshake([this](std::expected<void, TlsFailure> result) {
      handshake = std::move(result);
      stream.set_events(this);
      if (*handshake) stream.want_read(reads);
    });
  }
  [[nodiscard]] bool is_open() const { return handshake.has_value() && handshake->has_value(); }
  [[nodiscard]] std::string failure() const {
    return handshake && !*handshake ? handshake->error().reason : "no failure";
  }
  void read_at_most(std::size_t bytes) { chunk_ = bytes; }

  void write(std::string_view text) {
    out_ += text;
    flush();
  }
  [[nodiscard]] bool has_written_all() const { return out_.empty(); }

  TlsStream stream;
  bool reads = true;  ///< goes on reading after a read, and begins to
  std::optional<std::expected<void, TlsFailure>> handshake;
  std::string received;
  std::optional<IoResult> end;  ///< what reading ended with

 private:
  void on_readable() override {
    std::string buffer(chunk_, '\0');
    const IoResult result = stream.read(buffer);
    if (result.status == IoResult::Status::kWouldBlock) return;
    if (result.status == IoResult::Status::kOk) {
      received.append(buffer, 0, result.bytes);
      stream.want_read(reads);
      return;
    }
    end = result;
    stream.want_read(false);
  }
  void on_writable() override {
    stream.want_write(false);
    flush();
  }
  void flush() {
    while (!out_.empty()) {
      const iovec piece{out_.data(), out_.size()};
      const IoResult result = stream.write({&piece, 1});
      if (result.status == IoResult::Status::kWouldBlock) return stream.want_write(true);
      ASSERT_EQ(result.status, IoResult::Status::kOk);
      out_.erase(0, result.bytes);
    }
  }

  std::size_t chunk_ = 64 * 1024;
  std::string out_;
};

class TlsFixture : public test::LoopFixture {
 protected:
  using Role = TlsOptions::Role;
  using Verify = TlsOptions::Verify;

  [[nodiscard]] std::shared_ptr<const TlsContext> server(Verify verify = Verify::kNone) const {
    return context(
        {.certificate_file = files_.certificate, .key_file = files_.key, .ca_file = ca_.file(), .verify = verify});
  }
  [[nodiscard]] std::shared_ptr<const TlsContext> server_with(const test::CertificateAuthority::Files& files) const {
    return context({.certificate_file = files.certificate, .key_file = files.key, .verify = Verify::kNone});
  }
  [[nodiscard]] std::shared_ptr<const TlsContext> client() const {
    return context({.role = Role::kClient, .ca_file = ca_.file()});
  }
  [[nodiscard]] std::shared_ptr<const TlsContext> client_with(const test::CertificateAuthority::Files& files) const {
    return context(
        {.role = Role::kClient, .certificate_file = files.certificate, .key_file = files.key, .ca_file = ca_.file()});
  }
  static std::shared_ptr<const TlsContext> context(const TlsOptions& options) {
    auto created = TlsContext::create(options);
    EXPECT_TRUE(created.has_value()) << created.error().text;
    return created.value_or(nullptr);
  }

  const test::TempDir dir_;
  const test::CertificateAuthority ca_{dir_};
  const test::CertificateAuthority::Files files_ = ca_.issue();
};

}  // namespace anteroom::net
