#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/check.hpp"

namespace anteroom::base {

void fill_random(std::span<std::byte> out) noexcept {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    ANTEROOM_CHECK(got > 0);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  fill_random(std::as_writable_bytes(std::span(&seed, 1)));
  return seed;
}

}  // namespace anteroom::base
