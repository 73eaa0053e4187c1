#include "base/hash.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/check.hpp"

namespace anteroom::base {

HashSeed HashSeed::random() {
  HashSeed seed;
  ssize_t got = 0;
  do {
    // Up to 256 bytes come in one piece once the source is initialised; only a signal can interrupt the wait for that.
    got = getrandom(seed.secrets.data(), sizeof seed.secrets, 0);
  } while (got < 0 && errno == EINTR);
  ANTEROOM_CHECK(got == static_cast<ssize_t>(sizeof seed.secrets));
  return seed;
}

HashSeed HashSeed::fixed(std::uint64_t number) noexcept {
  HashSeed seed;
  for (std::uint64_t& secret : seed.secrets) {
    // splitmix64
    number += 0x9e3779b97f4a7c15u;
    std::uint64_t z = number;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    secret = z ^ (z >> 31);
  }
  return seed;
}

}  // namespace anteroom::base
