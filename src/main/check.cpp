#include "main/check.hpp"

#include <cstdio>

#include "config/describe.hpp"

namespace anteroom::app {

int run_check(const config::Options& options) {
  return std::fputs(config::effective_json(options).c_str(), stdout) < 0 ? 1 : 0;
}

}  // namespace anteroom::app
