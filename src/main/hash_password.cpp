#include "main/hash_password.hpp"

#include <cstdio>
#include <string>

#include "access/password.hpp"
#include "config/resolve.hpp"

namespace anteroom::app {

int run_hash_password() {
  constexpr int kExitBadInput = 2;
  const auto password = config::read_secret_file(config::read_file, "/dev/stdin");
  if (!password) {
    std::fprintf(stderr, "anteroom: %s\n", password.error().c_str());
    return kExitBadInput;
  }
  return std::printf("%s\n", access::hex_of(access::digest_of(*password)).c_str()) < 0 ? 1 : 0;
}

}  // namespace anteroom::app
