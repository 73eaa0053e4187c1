#pragma once

#include <gnutls/gnutls.h>

#include <cstddef>
#include <string>

namespace anteroom::net {

/// The content of a file with certificates or a key; wiped when it goes.
class FileContent {
 public:
  FileContent() = default;
  ~FileContent();
  FileContent(const FileContent&) = delete;
  FileContent& operator=(const FileContent&) = delete;

  /// Empty, or the reason why there is no content.
  [[nodiscard]] std::string read(const std::string& path);
  [[nodiscard]] gnutls_datum_t datum() noexcept {
    return {reinterpret_cast<unsigned char*>(bytes_.data()), static_cast<unsigned>(size_)};
  }

  /// A bundle of all the roots there are has a quarter of it.
  static constexpr std::size_t kBytesMax = 4u << 20;

 private:
  std::string bytes_;
  std::size_t size_ = 0;
};

}  // namespace anteroom::net
