#include "net/self_signed.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ascii.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_fixture.hpp"

namespace anteroom::net {
namespace {

std::string bytes_of(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(base::hex_value(digits[i]) * 16 + base::hex_value(digits[i + 1]));
  }
  return out;
}

class SelfSigned : public TlsFixture {
 protected:
  void write(const std::string& name = "redis.test") {
    const auto written = write_self_signed(certificate_, key_, name);
    ASSERT_TRUE(written.has_value()) << written.error();
  }
  [[nodiscard]] std::string fingerprint() const {
    const auto made = key_fingerprint(certificate_);
    EXPECT_TRUE(made.has_value()) << made.error();
    return made.value_or("");
  }
  static mode_t mode_of(const std::string& path) {
    struct stat found{};
    EXPECT_EQ(stat(path.c_str(), &found), 0) << path;
    return found.st_mode & 0777;
  }

  /// What a client with `options` says of a server with the certificate; empty: nothing is wrong.
  std::string refusal(TlsOptions options, const std::string& server_name) {
    options.role = Role::kClient;
    auto [near, far] = test::socket_pair();
    TlsEnd server(loop_, std::move(near), server_with({certificate_, key_}));
    TlsEnd client(loop_, std::move(far), context(options), server_name);
    server.start();
    client.start();
    EXPECT_TRUE(run_until([&] { return client.handshake.has_value(); }));
    return client.is_open() ? "" : client.failure();
  }

  const std::string certificate_ = dir_.file("self.crt");
  const std::string key_ = dir_.file("self.key");
};

// --- The files ---

TEST_F(SelfSigned, KeyIsItsOwnersAlone) {
  write();

  EXPECT_EQ(mode_of(key_), 0600u);
  EXPECT_EQ(mode_of(certificate_) & 0133u, 0u) << "nobody else may write it";
  EXPECT_NE(mode_of(certificate_) & 0400u, 0u);
}

TEST_F(SelfSigned, KeyIsItsOwnersAloneWhateverTheMask) {
  const mode_t before = umask(0);
  write();
  umask(before);

  EXPECT_EQ(mode_of(key_), 0600u);
  EXPECT_EQ(mode_of(certificate_), 0644u);
}

TEST_F(SelfSigned, FilesAreOfEachOther) {
  write();

  EXPECT_TRUE(TlsContext::create({.certificate_file = certificate_, .key_file = key_, .verify = Verify::kNone}));
}

TEST_F(SelfSigned, KeyThatIsThereIsNotOverwritten) {
  dir_.write("self.key", "precious");

  const auto written = write_self_signed(certificate_, key_, "redis.test");

  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error(), key_ + ": File exists");
  EXPECT_EQ(test::read_file(key_), "precious");
  EXPECT_NE(access(certificate_.c_str(), F_OK), 0);
}

TEST_F(SelfSigned, CertificateThatIsThereIsNotOverwritten) {
  dir_.write("self.crt", "precious");

  const auto written = write_self_signed(certificate_, key_, "redis.test");

  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error(), certificate_ + ": File exists");
  EXPECT_EQ(test::read_file(certificate_), "precious");
}

// Or the next start would find a key without its certificate, and could not make one either.
TEST_F(SelfSigned, NoKeyIsLeftBehindWithoutItsCertificate) {
  const std::string nowhere = dir_.file("missing/self.crt");

  ASSERT_FALSE(write_self_signed(nowhere, key_, "redis.test").has_value());

  EXPECT_NE(access(key_.c_str(), F_OK), 0);
  write();
}

TEST_F(SelfSigned, FolderThatIsNotThereIsNamed) {
  const auto written = write_self_signed(certificate_, dir_.file("missing/self.key"), "redis.test");

  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error(), dir_.file("missing/self.key") + ": No such file or directory");
}

TEST_F(SelfSigned, FolderThatCannotBeWrittenIsNamed) {
  // Not even root can make files here.
  const auto written = write_self_signed("/proc/self.crt", "/proc/self.key", "redis.test");

  ASSERT_FALSE(written.has_value());
  EXPECT_TRUE(written.error().starts_with("/proc/self.key: ")) << written.error();
}

// --- The certificate ---

TEST_F(SelfSigned, ItsNameIsGoodForWhoTrustsIt) {
  write("redis.test");

  EXPECT_EQ(refusal({.ca_file = certificate_}, "redis.test"), "");
  EXPECT_EQ(refusal({.ca_file = certificate_}, "other.test"), "wrong_name");
}

TEST_F(SelfSigned, NobodyElseVouchesForIt) {
  write();

  EXPECT_EQ(refusal({.ca_file = ca_.file()}, "redis.test"), "unknown_ca");
}

// --- The fingerprint ---

TEST_F(SelfSigned, FingerprintIsWhatClientsPin) {
  write();

  const std::string digits = fingerprint();

  ASSERT_EQ(digits.size(), 64u);
  EXPECT_TRUE(std::ranges::all_of(digits, [](char c) { return base::hex_value(c) >= 0 && c == base::to_lower(c); }));
  EXPECT_EQ(refusal({.pinned_key = bytes_of(digits)}, "whatever"), "");
}

TEST_F(SelfSigned, FingerprintOfAnotherKeyIsRefused) {
  write();
  const auto other = key_fingerprint(files_.certificate);
  ASSERT_TRUE(other.has_value()) << other.error();

  EXPECT_EQ(refusal({.pinned_key = bytes_of(*other)}, "redis.test"), "wrong_key");
}

TEST_F(SelfSigned, EachKeyIsNew) {
  write();
  const std::string before = fingerprint();
  ASSERT_EQ(unlink(certificate_.c_str()) + unlink(key_.c_str()), 0);

  write();

  EXPECT_NE(fingerprint(), before);
}

TEST_F(SelfSigned, FingerprintIsOfTheFirstCertificateOfAFile) {
  write();
  const std::string chain =
      dir_.write("chain.crt", test::read_file(certificate_) + test::read_file(files_.certificate));

  const auto made = key_fingerprint(chain);

  ASSERT_TRUE(made.has_value()) << made.error();
  EXPECT_EQ(*made, fingerprint());
}

TEST_F(SelfSigned, FingerprintOfNoCertificateNamesTheFile) {
  const std::string missing = dir_.file("missing.crt");
  const std::string junk = dir_.write("junk.crt", "no certificate");
  const std::string empty = dir_.write("empty.crt", "");

  const auto of_missing = key_fingerprint(missing);
  ASSERT_FALSE(of_missing.has_value());
  EXPECT_EQ(of_missing.error(), missing + ": No such file or directory");
  for (const std::string& file : {junk, empty, dir_.path()}) {
    const auto made = key_fingerprint(file);
    ASSERT_FALSE(made.has_value()) << file;
    EXPECT_TRUE(made.error().starts_with(file + ": ")) << made.error();
    EXPECT_GT(made.error().size(), file.size() + 2);
  }
}

}  // namespace
}  // namespace anteroom::net
