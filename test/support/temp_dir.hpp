#pragma once

#include <string>
#include <string_view>

namespace anteroom::test {

/// A new private folder under /tmp, removed with its contents at destruction. Its path is short enough for the names of
/// UNIX sockets (108 bytes).
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(std::string_view name) const;

  /// Writes `content` into the file `name` and returns the file's path.
  std::string write(std::string_view name, std::string_view content) const;

 private:
  std::string path_;
};

/// The whole content of a file; empty when it cannot be read.
[[nodiscard]] std::string read_file(const std::string& path);

}  // namespace anteroom::test
