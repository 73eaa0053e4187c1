#include "net/tls_context.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/certificates.hpp"

namespace anteroom::net {
namespace {

using Part = TlsConfigError::Part;
using Role = TlsOptions::Role;
using Verify = TlsOptions::Verify;

// A key of P-256 behind a passphrase that nobody needs to know.
constexpr const char* kEncryptedKey =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjS2uFYWbH16wICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEL+1WmBJ/Y2vhq9kk5JI92kEgZCR\n"
    "47/e9Nc6L8YdesHwy255ZnHk3n43tac5PFjx6F4NRV40Y4GJnfdnFWyQzrcJ17EN\n"
    "Z4dkg9mbfxYeESHWNOpIkAfFbhOtnMaGrMBQhV+7DDFzstzYjEeZSVgJ9PM4AWKl\n"
    "zLl+OtFmeIyq0X4MXflIOYAqgbP5GKkErQv0sQkb4gNnJyglABVJMN5XO6Llq3o=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

class TlsContextTest : public testing::Test {
 protected:
  [[nodiscard]] TlsOptions server() const {
    return {.certificate_file = files_.certificate, .key_file = files_.key, .verify = Verify::kNone};
  }
  void expect_refused(const TlsOptions& options, Part part, const std::string& text) {
    const auto context = TlsContext::create(options);
    ASSERT_FALSE(context.has_value());
    EXPECT_EQ(context.error().part, part);
    EXPECT_NE(context.error().text.find(text), std::string::npos) << context.error().text;
  }

  const test::TempDir dir_;
  const test::CertificateAuthority ca_{dir_};
  const test::CertificateAuthority::Files files_ = ca_.issue();
};

TEST_F(TlsContextTest, AServerNeedsACertificateAndItsKey) {
  EXPECT_TRUE(TlsContext::create(server()).has_value());
  expect_refused({.verify = Verify::kNone}, Part::kCertificate, "there is no certificate");
  expect_refused({.certificate_file = files_.certificate, .verify = Verify::kNone}, Part::kKey, "there is no key");
}

TEST_F(TlsContextTest, AMissingFileIsNamed) {
  TlsOptions options = server();
  options.certificate_file = dir_.file("none.crt");
  expect_refused(options, Part::kCertificate, dir_.file("none.crt") + ": No such file or directory");
  options = server();
  options.key_file = dir_.file("none.key");
  expect_refused(options, Part::kKey, dir_.file("none.key") + ": No such file or directory");
  options = server();
  options.verify = Verify::kRequired;
  options.ca_file = dir_.file("none.ca");
  expect_refused(options, Part::kCa, dir_.file("none.ca") + ": No such file or directory");
  options = server();
  options.key_file = dir_.path();
  expect_refused(options, Part::kKey, "Is a directory");
}

TEST_F(TlsContextTest, AFileWithSomethingElseIsNamed) {
  const std::string junk = dir_.write("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const std::string empty = dir_.write("empty", "");
  for (const std::string& file : {junk, empty}) {
    TlsOptions options = server();
    options.certificate_file = file;
    expect_refused(options, Part::kCertificate, file + ": ");
    options = server();
    options.key_file = file;
    expect_refused(options, Part::kKey, file + ": ");
    options = server();
    options.verify = Verify::kOptional;
    options.ca_file = file;
    expect_refused(options, Part::kCa, file + ": ");
  }
}

TEST_F(TlsContextTest, AKeyFileWithoutAKeyOrWithAnEncryptedOneSaysSo) {
  TlsOptions options = server();
  options.key_file = dir_.write("words", "no key\n");
  expect_refused(options, Part::kKey, options.key_file + ": it has no key");
  options.key_file = dir_.write("encrypted", kEncryptedKey);
  expect_refused(options, Part::kKey, options.key_file + ": it is encrypted; the key is wanted without a passphrase");
}

TEST_F(TlsContextTest, AKeyOfAnotherCertificateIsRefused) {
  TlsOptions options = server();
  options.key_file = ca_.issue({.name = "other"}).key;
  expect_refused(options, Part::kKey, options.key_file + ": ");
}

TEST_F(TlsContextTest, ClientsAreJudgedByACaThatIsGiven) {
  TlsOptions options = server();
  options.verify = Verify::kRequired;
  expect_refused(options, Part::kCa, "there is no CA");
  options.ca_file = ca_.file();
  EXPECT_TRUE(TlsContext::create(options).has_value());
}

TEST_F(TlsContextTest, AClientNeedsNoCertificateButAKeyWithIt) {
  EXPECT_TRUE(TlsContext::create({.role = Role::kClient, .verify = Verify::kNone}).has_value());
  EXPECT_TRUE(TlsContext::create({.role = Role::kClient, .ca_file = ca_.file()}).has_value());
  expect_refused({.role = Role::kClient, .key_file = files_.key, .ca_file = ca_.file()}, Part::kCertificate,
                 "there is no certificate");
}

TEST_F(TlsContextTest, ABadPriorityIsRefused) {
  TlsOptions options = server();
  options.priority = "NORMAL:+VERS-TLS9";
  expect_refused(options, Part::kPriority, "NORMAL:+VERS-TLS9");
}

TEST_F(TlsContextTest, AReloadReplacesTheContextForThoseWhoComeLater) {
  const auto source = TlsContextSource::create(server());
  ASSERT_TRUE(source.has_value());
  const auto before = (*source)->current();
  EXPECT_EQ((*source)->current(), before);

  static_cast<void>(ca_.issue());
  ASSERT_TRUE((*source)->reload().has_value());

  EXPECT_NE((*source)->current(), before);
  EXPECT_EQ(before.use_count(), 1);
}

TEST_F(TlsContextTest, ABadReloadKeepsTheContext) {
  const auto source = TlsContextSource::create(server());
  ASSERT_TRUE(source.has_value());
  const auto before = (*source)->current();
  dir_.write("server.crt", "not a certificate");

  const auto reloaded = (*source)->reload();

  ASSERT_FALSE(reloaded.has_value());
  EXPECT_EQ(reloaded.error().part, Part::kCertificate);
  EXPECT_EQ((*source)->current(), before);
}

TEST_F(TlsContextTest, ASourceIsNotMadeOfBadFiles) {
  EXPECT_FALSE(TlsContextSource::create({.verify = Verify::kNone}).has_value());
}

}  // namespace
}  // namespace anteroom::net
