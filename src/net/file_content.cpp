#include "net/file_content.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/unique_fd.hpp"

namespace anteroom::net {

FileContent::~FileContent() { gnutls_memset(bytes_.data(), 0, bytes_.size()); }

std::string FileContent::read(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return std::generic_category().message(errno);
  bytes_.resize(kBytesMax);  // at once: growing would leave copies behind
  std::size_t size = 0;
  while (size < bytes_.size()) {
    const ssize_t got = ::read(fd.value(), bytes_.data() + size, bytes_.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::generic_category().message(errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size == bytes_.size()) return "it is too large";
  size_ = size;
  return {};
}

}  // namespace anteroom::net
