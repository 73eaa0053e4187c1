#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace anteroom::test {

/// A certificate authority that exists as long as the object: keys are made on the spot and live in `dir`.
class CertificateAuthority {
 public:
  /// Writes NAME.crt, its own certificate.
  explicit CertificateAuthority(const TempDir& dir, const std::string& name = "ca");
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  enum class Purpose { kAny, kServer, kClient };
  struct Request {
    std::string name = "server";  ///< of the files, and the common name
    std::vector<std::string> hosts{"localhost"};
    std::vector<std::string> addresses{"127.0.0.1"};
    std::chrono::seconds begins{-3600};  ///< from now
    std::chrono::seconds ends{3600};
    Purpose purpose = Purpose::kAny;
  };
  struct Files {
    std::string certificate;
    std::string key;
  };
  /// Writes NAME.crt and NAME.key, over what is there.
  [[nodiscard]] Files issue(const Request& request) const;
  [[nodiscard]] Files issue() const { return issue(Request{}); }

  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  struct Secrets;
  const TempDir& dir_;
  const std::string file_;
  const std::unique_ptr<Secrets> secrets_;
};

}  // namespace anteroom::test
