#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace anteroom::base {

void check_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "anteroom: invariant broken: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace anteroom::base
